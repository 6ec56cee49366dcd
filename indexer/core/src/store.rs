//! What an indexer needs of the disk.

use kittengrad_proto::id::{Id, RecordId};
use thiserror::Error;

use crate::set::Set;

/// Why the store did not answer. The indexer must not go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("index: {0}")]
pub struct StoreError(pub String);

/// A set as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The set.
    pub set: Set,
    /// Hash of its document, as the digest counts it.
    pub hash: Id,
}

/// What was committed. Reads see everything committed, and nothing else.
pub trait Store {
    /// The set of a canonical; `None` if no element names it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, StoreError>;

    /// At most `limit` canonicals with absent records; all of them if there are fewer.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError>;
}
