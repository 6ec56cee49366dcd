//! Reads the rows of small values.

use bytes::Bytes;
use kittengrad_journal::{StateStore, StoreError};

use crate::{family::Family, store::RocksStore};

impl StateStore for RocksStore {
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get_bytes(Family::State, key)
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.states_page(prefix, None, usize::MAX)
    }

    fn states_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut rows = self.scan(Family::State, prefix)?;
        if let Some(after) = after.filter(|after| *after > prefix) {
            rows.seek(after);
        }
        let mut states = Vec::new();
        while let Some((key, value)) = rows.item().filter(|_| states.len() < limit) {
            // The seek stops at `after` too.
            if after != Some(key) {
                let value = self.bytes_of(Family::State, value)?;
                states.push((Bytes::copy_from_slice(key), value));
            }
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(states)
    }
}
