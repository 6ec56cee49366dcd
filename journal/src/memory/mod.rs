//! A store in memory, for tests and as the model for tests of other stores.

mod blocks;
mod chains;
mod elements;
mod records;
mod states;
mod transactions;

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::Element,
};

use crate::store::{Locator, RowKey, StoredBlock, Write};

/// A store with an ordered map for each family.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    /// By incarnation and height.
    blocks: BTreeMap<(u64, u64), StoredBlock>,
    elements: BTreeMap<Element, Locator>,
    transactions: BTreeMap<Id, Bytes>,
    records: BTreeMap<RecordId, Bytes>,
    chains: BTreeMap<Id, Bytes>,
    states: BTreeMap<Bytes, Bytes>,
}

impl MemoryStore {
    /// Applies all writes, in order.
    pub fn commit(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Block(stored) => {
                    let header = &stored.block.header;
                    self.blocks
                        .insert((header.incarnation, header.height), *stored);
                }
                Write::Element(element, locator) => {
                    self.elements.insert(element, locator);
                }
                Write::Transaction(id, bytes) => drop(self.transactions.insert(id, bytes)),
                Write::Record(id, bytes) => drop(self.records.insert(id, bytes)),
                Write::Chain(id, bytes) => drop(self.chains.insert(id, bytes)),
                Write::State(key, value) => drop(self.states.insert(key, value)),
                Write::Remove(key) => self.remove(&key),
            }
        }
    }

    fn remove(&mut self, key: &RowKey) {
        match key {
            RowKey::Block {
                incarnation,
                height,
            } => drop(self.blocks.remove(&(*incarnation, *height))),
            RowKey::Element(element) => {
                self.elements.remove(element);
            }
            RowKey::Transaction(id) => drop(self.transactions.remove(id)),
            RowKey::Record(id) => drop(self.records.remove(id)),
            RowKey::Chain(id) => drop(self.chains.remove(id)),
            RowKey::State(key) => drop(self.states.remove(key)),
        }
    }
}
