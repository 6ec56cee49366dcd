//! A store in memory: the plainest one there is, for tests and as the model that others are compared with.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use crdts::{CmRDT, GSet};
use kittengrad_proto::{
    block::Header,
    id::{Id, RecordId},
    transaction::Element,
};

use crate::store::{Locator, Store, StoreError, StoredBlock, Write};

/// Everything in ordered maps; the set is a [`GSet`].
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    set: GSet<Element>,
    locators: BTreeMap<Element, Locator>,
    transactions: BTreeMap<Id, Bytes>,
    records: BTreeMap<RecordId, Bytes>,
    chains: BTreeMap<Id, Bytes>,
    blocks: BTreeMap<(u64, u64), StoredBlock>,
    states: BTreeMap<Bytes, Bytes>,
}

impl MemoryStore {
    /// Commits all writes.
    pub fn commit(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Block(stored) => {
                    let header = &stored.block.header;
                    self.blocks
                        .insert((header.incarnation, header.height), *stored);
                }
                Write::Element(element, locator) => {
                    self.set.apply(element);
                    self.locators.insert(element, locator);
                }
                Write::Transaction(id, bytes) => drop(self.transactions.insert(id, bytes)),
                Write::Record(id, bytes) => drop(self.records.insert(id, bytes)),
                Write::Chain(id, bytes) => drop(self.chains.insert(id, bytes)),
                Write::State(key, value) => drop(self.states.insert(key, value)),
            }
        }
    }

    /// The whole set.
    #[must_use]
    pub fn elements(&self) -> BTreeSet<Element> {
        self.set.read()
    }

    fn of_canonical(&self, canonical: &RecordId) -> impl Iterator<Item = &Element> + '_ {
        let canonical = *canonical;
        let from = Element {
            canonical,
            update: None,
        };
        self.locators
            .range(from..)
            .map(|(element, _)| element)
            .take_while(move |e| e.canonical == canonical)
    }
}

impl Store for MemoryStore {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        Ok(elements
            .iter()
            .map(|element| self.set.contains(element))
            .collect())
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        Ok(self.locators.get(element).copied())
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        if !self.exists(canonical)? {
            return Ok(None);
        }
        Ok(Some(
            self.of_canonical(canonical)
                .filter_map(|element| element.update)
                .collect(),
        ))
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        Ok(self.of_canonical(canonical).next().is_some())
    }

    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(ids
            .iter()
            .map(|id| self.transactions.get(id).cloned())
            .collect())
    }

    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(ids.iter().map(|id| self.records.get(id).cloned()).collect())
    }

    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        Ok(self.chains.get(id).cloned())
    }

    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        Ok(self.blocks.get(&(incarnation, height)).cloned())
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let mut headers = Vec::new();
        let mut last = self.blocks.last_key_value();
        while let Some(((incarnation, _), stored)) = last {
            headers.push(stored.block.header.clone());
            last = self.blocks.range(..(*incarnation, 0)).next_back();
        }
        headers.reverse();
        Ok(headers)
    }

    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.states.get(key).cloned())
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let from = self.states.range(Bytes::copy_from_slice(prefix)..);
        let all = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(all
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}
