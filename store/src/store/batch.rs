//! The writes of one commit as a batch of rows. They reach the disk together.

use kittengrad_journal::{RowKey, StoreError, Write};
use rocksdb::{ColumnFamily, WriteBatch};

use crate::{
    family::Family,
    rows::{self, ElementKey},
    store::RocksStore,
};

/// A batch under construction.
pub(super) struct Batch<'s> {
    /// One for each family, in the order of [`Family::ALL`].
    handles: Vec<&'s ColumnFamily>,
    rows: WriteBatch,
    /// One buffer for all values, because a batch has thousands.
    value: Vec<u8>,
}

impl<'s> Batch<'s> {
    /// An empty batch with capacity for `writes`.
    pub(super) fn new(store: &'s RocksStore, writes: &[Write]) -> Result<Self, StoreError> {
        let handles: Result<Vec<_>, _> = Family::ALL.iter().map(|of| store.family(*of)).collect();
        Ok(Self {
            handles: handles?,
            rows: WriteBatch::with_capacity_bytes(writes.iter().map(row_bytes).sum()),
            value: Vec::new(),
        })
    }

    /// Appends a write.
    pub(super) fn add(&mut self, write: Write) {
        match write {
            Write::Block(stored) => self.put_block(&stored),
            Write::Element(element, locator) => self.put_element(&element, &locator),
            Write::Transaction(id, bytes) => {
                self.put_bytes(Family::Transactions, id.as_bytes(), &bytes);
            }
            Write::Record(id, bytes) => self.put_bytes(Family::Records, id.as_bytes(), &bytes),
            Write::Chain(id, bytes) => self.put_bytes(Family::Chains, id.as_bytes(), &bytes),
            Write::State(key, bytes) => self.put_bytes(Family::State, &key, &bytes),
            Write::Remove(key) => self.remove(&key),
        }
    }

    /// The rows to write.
    pub(super) fn rows(self) -> WriteBatch {
        self.rows
    }

    pub(super) fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.rows.put_cf(self.handles[family as usize], key, value);
    }

    /// Writes `bytes` behind the version of rows.
    fn put_bytes(&mut self, family: Family, key: &[u8], bytes: &[u8]) {
        let value = rows::versioned(&mut self.value, bytes);
        self.rows.put_cf(self.handles[family as usize], key, value);
    }

    fn remove(&mut self, key: &RowKey) {
        match key {
            RowKey::Block {
                incarnation,
                height,
            } => self.delete(Family::Blocks, &rows::block_key(*incarnation, *height)),
            RowKey::Element(element) => {
                self.delete(Family::Elements, ElementKey::new(element).as_ref());
            }
            RowKey::Transaction(id) => self.delete(Family::Transactions, id.as_bytes()),
            RowKey::Record(id) => self.delete(Family::Records, id.as_bytes()),
            RowKey::Chain(id) => self.delete(Family::Chains, id.as_bytes()),
            RowKey::State(key) => self.delete(Family::State, key),
        }
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        self.rows.delete_cf(self.handles[family as usize], key);
    }
}

/// An estimate of the bytes of a write in a batch.
fn row_bytes(write: &Write) -> usize {
    let bytes = match write {
        Write::Block(stored) => {
            let items = stored.block.items.iter().map(|item| item.len() + 2);
            items.sum::<usize>() + 512
        }
        Write::Element(..) => 64 + rows::LOCATOR_BYTES,
        Write::Transaction(_, bytes) | Write::Record(_, bytes) | Write::Chain(_, bytes) => {
            32 + bytes.len()
        }
        Write::State(key, bytes) => key.len() + bytes.len(),
        Write::Remove(RowKey::State(key)) => key.len(),
        Write::Remove(_) => 64,
    };
    bytes + ROW_OVERHEAD_BYTES
}

/// Bytes of the type, the family, the lengths and the version of a write in a batch.
const ROW_OVERHEAD_BYTES: usize = 16;
