//! The family of transactions: the signed bytes, under the id that blocks list.

use bytes::Bytes;
use kittengrad_proto::id::Id;

use crate::store::StoreError;

/// The transactions that a journal's owner keeps.
pub trait TransactionStore {
    /// For each id, the transaction's bytes if they are here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// For each id, whether the transaction is here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        Ok(self
            .transactions(ids)?
            .iter()
            .map(Option::is_some)
            .collect())
    }
}
