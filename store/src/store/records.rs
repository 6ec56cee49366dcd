//! Reads the rows of records.

use bytes::Bytes;
use kittengrad_journal::{RecordStore, StoreError};
use kittengrad_proto::id::RecordId;

use crate::{family::Family, store::RocksStore};

impl RecordStore for RocksStore {
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys = ids.iter().map(|id| &id.as_bytes()[..]);
        self.get_many_bytes(Family::Records, keys, ids.is_sorted())
    }
}
