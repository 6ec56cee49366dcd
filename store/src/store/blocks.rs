//! Reads and writes the rows of blocks.

use bytes::Bytes;
use kittengrad_journal::{BlockStore, StoreError, StoredBlock};
use kittengrad_proto::block::{Head, Header};
use rocksdb::DBRawIterator;

use crate::{
    family::Family,
    rows::{self, RowError},
    store::{RocksStore, batch::Batch},
};

impl BlockStore for RocksStore {
    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(value) = self.get(Family::Blocks, &rows::block_key(incarnation, height))? else {
            return Ok(None);
        };
        let value = Bytes::copy_from_slice(&value);
        let stored = rows::block((incarnation, height), value, &self.overlay);
        stored
            .map(Some)
            .map_err(|e| self.damaged_block(incarnation, height, &e))
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let mut rows = self.scan(Family::Blocks, &[])?;
        rows.seek_to_last();
        let mut headers = Vec::new();
        while let Some(header) = self.header_at(&rows)? {
            // Each seek skips all blocks of one incarnation.
            match header.incarnation.checked_sub(1) {
                Some(before) => rows.seek_for_prev(rows::block_key(before, u64::MAX)),
                None => rows.seek_for_prev([]),
            }
            headers.push(header);
        }
        headers.reverse();
        Ok(headers)
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        let mut rows = self.scan(Family::Blocks, &[])?;
        rows.seek_to_last();
        Ok(self.header_at(&rows)?.map(|header| header.head()))
    }
}

impl RocksStore {
    /// The header of the block at the iterator. `None` at the end.
    fn header_at(&self, rows: &DBRawIterator<'_>) -> Result<Option<Header>, StoreError> {
        let Some((key, value)) = rows.item() else {
            rows.status().map_err(|e| self.failed(e))?;
            return Ok(None);
        };
        let name = rows::of_block_key(key);
        let name = name.map_err(|e| self.damaged(Family::Blocks, &e))?;
        let header = rows::header(name, Bytes::copy_from_slice(value), &self.overlay);
        header
            .map(Some)
            .map_err(|e| self.damaged_block(name.0, name.1, &e))
    }

    fn damaged_block(&self, incarnation: u64, height: u64, error: &RowError) -> StoreError {
        self.note_damage(format!(
            "block {height} of incarnation {incarnation}: {error}"
        ))
    }
}

impl Batch<'_> {
    pub(super) fn put_block(&mut self, stored: &StoredBlock) {
        let header = &stored.block.header;
        let key = rows::block_key(header.incarnation, header.height);
        self.put(Family::Blocks, &key, &rows::block_value(stored));
    }
}
