//! The reads of a simulated disk, family by family. A read of the rotten row fails; others return the store's answer.

use bytes::Bytes;
use kittengrad_journal::{
    BlockStore, ChainStore, ElementPage, ElementStore, Locator, RecordStore, RowKey, StateStore,
    StoreError, StoredBlock, TransactionStore,
};
use kittengrad_proto::{
    block::Header,
    id::{Id, RecordId},
    transaction::Element,
};
use kittengrad_ring::KeyRange;

use super::SimDisk;

impl SimDisk {
    /// Whether a row exists, rotten or not.
    pub(super) fn has(&self, key: &RowKey) -> bool {
        let store = &self.store;
        let has = match key {
            RowKey::Block {
                incarnation,
                height,
            } => store
                .block(*incarnation, *height)
                .map(|block| block.is_some()),
            RowKey::Element(element) => store.locate(element).map(|locator| locator.is_some()),
            RowKey::Transaction(id) => store.has_transactions(&[*id]).map(|has| has[0]),
            RowKey::Record(id) => store.records(&[*id]).map(|records| records[0].is_some()),
            RowKey::Chain(id) => store.chain(id).map(|chain| chain.is_some()),
            RowKey::State(key) => store.state(key).map(|value| value.is_some()),
        };
        has.expect("memory answers")
    }
}

impl BlockStore for SimDisk {
    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let block = RowKey::Block {
            incarnation,
            height,
        };
        self.read(|rotten| *rotten == block)?;
        self.store.block(incarnation, height)
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let ends = self.store.incarnations()?;
        let is_end = |at: (u64, u64)| ends.iter().any(|end| at == (end.incarnation, end.height));
        self.read(|rotten| {
            matches!(rotten, RowKey::Block { incarnation, height } if is_end((*incarnation, *height)))
        })?;
        Ok(ends)
    }
}

impl ElementStore for SimDisk {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        self.read(
            |rotten| matches!(rotten, RowKey::Element(element) if elements.contains(element)),
        )?;
        self.store.contains(elements)
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        self.read(|rotten| *rotten == RowKey::Element(*element))?;
        self.store.locate(element)
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        self.read(|rotten| is_of(rotten, canonical))?;
        self.store.set(canonical)
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        self.read(|rotten| is_of(rotten, canonical))?;
        self.store.exists(canonical)
    }

    fn walk(
        &self,
        arc: KeyRange,
        after: Option<&Element>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        let page = self.store.walk(arc, after, limit)?;
        let has = |element: &Element| page.rows.iter().any(|(of_page, _)| of_page == element);
        self.read(|rotten| matches!(rotten, RowKey::Element(element) if has(element)))?;
        Ok(page)
    }
}

/// Whether a row is an element that names this canonical.
fn is_of(row: &RowKey, canonical: &RecordId) -> bool {
    matches!(row, RowKey::Element(element) if element.canonical == *canonical)
}

impl TransactionStore for SimDisk {
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read(|rotten| matches!(rotten, RowKey::Transaction(id) if ids.contains(id)))?;
        self.store.transactions(ids)
    }

    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        self.read(|rotten| matches!(rotten, RowKey::Transaction(id) if ids.contains(id)))?;
        self.store.has_transactions(ids)
    }
}

impl RecordStore for SimDisk {
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read(|rotten| matches!(rotten, RowKey::Record(id) if ids.contains(id)))?;
        self.store.records(ids)
    }
}

impl ChainStore for SimDisk {
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        self.read(|rotten| *rotten == RowKey::Chain(*id))?;
        self.store.chain(id)
    }
}

impl StateStore for SimDisk {
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read(|rotten| matches!(rotten, RowKey::State(of) if of[..] == *key))?;
        self.store.state(key)
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read(|rotten| matches!(rotten, RowKey::State(key) if key.starts_with(prefix)))?;
        self.store.states(prefix)
    }

    fn states_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let page = self.store.states_page(prefix, after, limit)?;
        let has = |key: &Bytes| page.iter().any(|(of_page, _)| of_page == key);
        self.read(|rotten| matches!(rotten, RowKey::State(key) if has(key)))?;
        Ok(page)
    }
}
