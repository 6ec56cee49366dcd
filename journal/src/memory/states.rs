//! Small values in memory.

use std::ops::Bound::{Excluded, Included, Unbounded};

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
        self.states_page(prefix, None, usize::MAX)
    }

    fn states_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Excluded(Bytes::copy_from_slice(after)),
            _ => Included(Bytes::copy_from_slice(prefix)),
        };
        let rows = self.states.range((from, Unbounded));
        let all = rows.take_while(|(key, _)| key.starts_with(prefix));
        Ok(all
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}
