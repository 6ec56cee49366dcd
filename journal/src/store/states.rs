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

    /// The first `limit` small values whose key begins with `prefix`, after the key `after` or from the beginning,
    /// ascending by key. `after` itself may have been removed. Fewer than `limit` are the last ones.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn states_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut states = self.states(prefix)?;
        states.retain(|(key, _)| after.is_none_or(|after| key[..] > *after));
        states.truncate(limit);
        Ok(states)
    }
}
