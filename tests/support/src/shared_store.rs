//! A store in memory that tasks read and write at the same time.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use kittengrad_journal::{
    BlockStore, ChainStore, ElementPage, ElementStore, Locator, MemoryStore, RecordStore,
    StateStore, StoreError, StoredBlock, TransactionStore, Write,
};
use kittengrad_proto::{
    block::Header,
    id::{Id, RecordId},
    transaction::Element,
};
use kittengrad_ring::KeyRange;

/// A [`MemoryStore`] that several tasks share. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct SharedStore(Arc<RwLock<MemoryStore>>);

impl SharedStore {
    /// Commits all writes.
    pub fn commit(&self, writes: Vec<Write>) {
        self.0.write().unwrap().commit(writes);
    }

    /// Removes everything.
    pub fn wipe(&self) {
        *self.0.write().unwrap() = MemoryStore::default();
    }

    /// The store in its current state, locked for reading.
    pub fn read(&self) -> RwLockReadGuard<'_, MemoryStore> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockStore for SharedStore {
    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        self.read().block(incarnation, height)
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        self.read().incarnations()
    }
}

impl ElementStore for SharedStore {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        self.read().contains(elements)
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        self.read().locate(element)
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        self.read().set(canonical)
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        self.read().exists(canonical)
    }

    fn walk(
        &self,
        arc: KeyRange,
        after: Option<&Element>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        self.read().walk(arc, after, limit)
    }
}

impl TransactionStore for SharedStore {
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read().transactions(ids)
    }
}

impl RecordStore for SharedStore {
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read().records(ids)
    }
}

impl ChainStore for SharedStore {
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        self.read().chain(id)
    }
}

impl StateStore for SharedStore {
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read().state(key)
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read().states(prefix)
    }

    fn states_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read().states_page(prefix, after, limit)
    }
}
