//! Small values in memory.

use bytes::Bytes;

use crate::{
    memory::MemoryStore,
    store::{StateStore, StoreError},
};

impl StateStore for MemoryStore {
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.states.get(key).cloned())
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let from = self.states.range(Bytes::copy_from_slice(prefix)..);
        let all = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(all
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}
