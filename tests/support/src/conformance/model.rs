//! The oracle: the list of all writes so far, and the rows that follow from it.

use bytes::Bytes;
use kittengrad_journal::{Locator, RowKey, StoredBlock, Write};
use kittengrad_proto::{
    block::Header,
    id::{Id, RecordId},
    transaction::Element,
};
use kittengrad_ring::{KeyRange, Length};

use super::names::{HEIGHTS, INCARNATIONS, elements, state_keys};

/// The expected content of a store.
#[derive(Default)]
pub(super) struct Model {
    written: Vec<Write>,
}

impl Model {
    pub(super) fn commit(&mut self, writes: &[Write]) {
        self.written.extend_from_slice(writes);
    }

    /// The last write of a row, unless it is a removal.
    fn row(&self, key: &RowKey) -> Option<&Write> {
        let last = self.written.iter().rev().find(|write| write.key() == *key);
        last.filter(|write| !matches!(write, Write::Remove(_)))
    }

    pub(super) fn has(&self, element: &Element) -> bool {
        self.row(&RowKey::Element(*element)).is_some()
    }

    pub(super) fn locate(&self, element: &Element) -> Option<Locator> {
        match self.row(&RowKey::Element(*element)) {
            Some(Write::Element(_, locator)) => Some(*locator),
            _ => None,
        }
    }

    pub(super) fn set(&self, canonical: RecordId) -> Option<Vec<RecordId>> {
        let mut elements = elements();
        elements.retain(|element| element.canonical == canonical && self.has(element));
        let updates = elements.iter().filter_map(|element| element.update);
        (!elements.is_empty()).then(|| updates.collect())
    }

    /// The elements of an arc in the order of a walk, by the definition of the order and not by intervals.
    pub(super) fn walk(&self, arc: KeyRange) -> Vec<(Element, Locator)> {
        let of_arc = elements()
            .into_iter()
            .filter(|element| arc.contains(element.canonical.point()));
        let mut rows: Vec<_> = of_arc
            .filter_map(|element| Some((element, self.locate(&element)?)))
            .collect();
        rows.sort_by_key(|(element, _)| place(arc, element));
        rows
    }

    fn bytes(&self, key: &RowKey) -> Option<Bytes> {
        match self.row(key)? {
            Write::Transaction(_, bytes)
            | Write::Record(_, bytes)
            | Write::Chain(_, bytes)
            | Write::State(_, bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    pub(super) fn transaction(&self, id: Id) -> Option<Bytes> {
        self.bytes(&RowKey::Transaction(id))
    }

    pub(super) fn record(&self, id: RecordId) -> Option<Bytes> {
        self.bytes(&RowKey::Record(id))
    }

    pub(super) fn chain(&self, id: Id) -> Option<Bytes> {
        self.bytes(&RowKey::Chain(id))
    }

    pub(super) fn state(&self, key: &Bytes) -> Option<Bytes> {
        self.bytes(&RowKey::State(key.clone()))
    }

    pub(super) fn states(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let mut keys = state_keys();
        keys.retain(|key| key.starts_with(prefix));
        keys.into_iter()
            .filter_map(|key| Some((key.clone(), self.bytes(&RowKey::State(key))?)))
            .collect()
    }

    pub(super) fn block(&self, incarnation: u64, height: u64) -> Option<StoredBlock> {
        let key = RowKey::Block {
            incarnation,
            height,
        };
        match self.row(&key)? {
            Write::Block(stored) => Some((**stored).clone()),
            _ => None,
        }
    }

    pub(super) fn incarnations(&self) -> Vec<Header> {
        let last = |incarnation: u64| {
            let mut heights = HEIGHTS.iter().rev();
            let stored = heights.find_map(|height| self.block(incarnation, *height))?;
            Some(stored.block.header)
        };
        INCARNATIONS.into_iter().filter_map(last).collect()
    }
}

/// The sort key of a walk over an arc: the distance from its beginning, then the update. The distance of a canonical at
/// the beginning itself is the whole circle.
pub(super) fn place(arc: KeyRange, element: &Element) -> (Length, Option<RecordId>) {
    let way = KeyRange::new(arc.from, element.canonical.point()).length();
    (way, element.update)
}
