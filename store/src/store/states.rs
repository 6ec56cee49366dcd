//! Reads the rows of small values.

use bytes::Bytes;
use kittengrad_journal::{StateStore, StoreError};

use crate::{family::Family, store::RocksStore};

impl StateStore for RocksStore {
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get_bytes(Family::State, key)
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut rows = self.scan(Family::State, prefix)?;
        let mut states = Vec::new();
        while let Some((key, value)) = rows.item() {
            let value = self.bytes_of(Family::State, value)?;
            states.push((Bytes::copy_from_slice(key), value));
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(states)
    }
}
