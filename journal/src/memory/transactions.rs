//! Transactions in memory.

use bytes::Bytes;
use kittengrad_proto::id::Id;

use crate::{
    memory::MemoryStore,
    store::{StoreError, TransactionStore},
};

impl TransactionStore for MemoryStore {
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(ids
            .iter()
            .map(|id| self.transactions.get(id).cloned())
            .collect())
    }
}
