//! Reads the rows of certificate chains.

use bytes::Bytes;
use kittengrad_journal::{ChainStore, StoreError};
use kittengrad_proto::id::Id;

use crate::{family::Family, store::RocksStore};

impl ChainStore for RocksStore {
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        self.get_bytes(Family::Chains, id.as_bytes())
    }
}
