//! Records in memory.

use bytes::Bytes;
use kittengrad_proto::id::RecordId;

use crate::{
    memory::MemoryStore,
    store::{RecordStore, StoreError},
};

impl RecordStore for MemoryStore {
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(ids.iter().map(|id| self.records.get(id).cloned()).collect())
    }
}
