//! The family of small values, which the owner stores for itself besides set and journal, under keys of its choice.

use bytes::Bytes;

use crate::store::StoreError;

/// The small values that a journal's owner keeps.
pub trait StateStore {
    /// A small value by its key. `None` if it was never written.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// All small values whose key begins with `prefix`, ascending by key.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError>;
}
