//! The family of records: canonicals, updates and retractions, under their digest.

use bytes::Bytes;
use kittengrad_proto::id::RecordId;

use crate::store::StoreError;

/// The records that a journal's owner keeps.
pub trait RecordStore {
    /// For each id, the record's bytes if they are here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError>;
}
