//! The store: the reads from disk that an indexer needs.

use kittengrad_proto::id::{Id, RecordId};
use thiserror::Error;

use crate::set::Set;

/// Why the store did not answer. The indexer must stop.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("index: {0}")]
pub struct StoreError(pub String);

/// A set as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The set.
    pub set: Set,
    /// Hash of its document, as added to the digest.
    pub hash: Id,
}

/// The committed sets. Reads see every commit, and nothing that is pending.
pub trait Store {
    /// Reads the set of a canonical; `None` if no element names it.
    ///
    /// # Errors
    /// If the store cannot read it.
    fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, StoreError>;

    /// Lists at most `limit` canonicals with absent records; all of them if there are fewer.
    ///
    /// # Errors
    /// If the store cannot read them.
    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError>;
}
