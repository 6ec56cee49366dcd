//! Reads the rows of transactions.

use bytes::Bytes;
use kittengrad_journal::{StoreError, TransactionStore};
use kittengrad_proto::id::Id;

use crate::{family::Family, store::RocksStore};

impl TransactionStore for RocksStore {
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = ids.iter().map(|id| &id.as_bytes()[..]);
        self.get_many_bytes(Family::Transactions, keys, ids.is_sorted())
    }

    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        let keys = ids.iter().map(|id| &id.as_bytes()[..]);
        let found = self.get_many(Family::Transactions, keys, ids.is_sorted())?;
        Ok(found.iter().map(Option::is_some).collect())
    }
}
