//! Certificate chains in memory.

use bytes::Bytes;
use kittengrad_proto::id::Id;

use crate::{
    memory::MemoryStore,
    store::{ChainStore, StoreError},
};

impl ChainStore for MemoryStore {
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        Ok(self.chains.get(id).cloned())
    }
}
