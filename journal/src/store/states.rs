//! The family of small values: what the owner keeps for itself beside set and journal, under keys of its own.

use bytes::Bytes;

use crate::store::StoreError;

/// The small values that a journal's owner keeps.
pub trait StateStore {
    /// A small value.
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
