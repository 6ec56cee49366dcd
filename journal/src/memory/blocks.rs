//! Blocks in memory.

use kittengrad_proto::block::Header;

use crate::{
    memory::MemoryStore,
    store::{BlockStore, StoreError, StoredBlock},
};

impl BlockStore for MemoryStore {
    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        Ok(self.blocks.get(&(incarnation, height)).cloned())
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let mut headers = Vec::new();
        let mut last = self.blocks.last_key_value();
        while let Some(((incarnation, _), stored)) = last {
            headers.push(stored.block.header.clone());
            last = self.blocks.range(..(*incarnation, 0)).next_back();
        }
        headers.reverse();
        Ok(headers)
    }
}
