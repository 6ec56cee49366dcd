//! Adding: the new elements of a transaction become an item of the block under construction.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::{Bitmap, Item},
    id::RecordId,
    limits::CHAIN_BYTES_MAX,
    submission::Submission,
    transaction::Element,
};
use thiserror::Error;

use super::Journal;
use crate::store::{Store, StoreError, Write};

/// Why a submission cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The store did not answer. Nothing was added.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The submission lacks a record that an entry needs. Nothing was added.
    #[error("record {0} is missing, so its entry cannot be added")]
    MissingRecord(RecordId),
}

/// The elements that a transaction added to the block under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// One bit per element of the transaction. All are unset for a repeat.
    pub bitmap: Bitmap,
    /// Canonicals that no earlier element names.
    pub created: Vec<RecordId>,
}

impl Journal {
    /// Adds the new elements of the entries whose canonical `takes` accepts and the journal's `hold` contains. A repeat
    /// adds nothing and is not listed.
    ///
    /// # Errors
    /// If the store does not answer or a record is missing. Nothing is added then.
    pub fn add(
        &mut self,
        submission: &Submission,
        takes: impl Fn(&RecordId) -> bool,
        store: &dyn Store,
    ) -> Result<Added, JournalError> {
        self.add_without(submission, takes, &BTreeSet::new(), store)
    }

    /// Like [`Journal::add`], but elements whose records are in `absent` are added without the bytes.
    ///
    /// # Errors
    /// If the store does not answer or another record is missing. Nothing is added then.
    pub fn add_without(
        &mut self,
        submission: &Submission,
        takes: impl Fn(&RecordId) -> bool,
        absent: &BTreeSet<RecordId>,
        store: &dyn Store,
    ) -> Result<Added, JournalError> {
        let own = self.holds.clone();
        let holds = |canonical: &RecordId| own.contains(canonical.point()) && takes(canonical);
        let transaction = &submission.transaction;
        let elements: Vec<_> = transaction.elements().collect();
        let held: Vec<_> = elements
            .iter()
            .map(|element| holds(&element.canonical))
            .collect();
        let known = store.contains(&elements)?;
        let is_new: Vec<_> = (0..elements.len())
            .map(|i| {
                let is_known = known[i] && !self.plants.has(Plant::RepeatOfStored);
                held[i] && !is_known && !self.is_added(&elements[i])
            })
            .collect();
        let created = self.created(&elements, &is_new, store)?;
        let records = self.records_to_keep(submission, &elements, &is_new, &holds, store)?;
        let is_missing =
            |id: &&RecordId| !submission.records.contains_key(id) && !absent.contains(id);
        if let Some(id) = records.iter().find(is_missing) {
            return Err(JournalError::MissingRecord(*id));
        }
        let bitmap = Bitmap::new(is_new.iter().copied());
        self.keep_records(submission, records);
        if bitmap.count() > 0 {
            self.list(submission, &elements, &bitmap);
        }
        Ok(Added { bitmap, created })
    }

    /// Canonicals of new elements that no earlier element names.
    fn created(
        &self,
        elements: &[Element],
        is_new: &[bool],
        store: &dyn Store,
    ) -> Result<Vec<RecordId>, StoreError> {
        let mut created: Vec<RecordId> = Vec::new();
        for (element, _) in elements.iter().zip(is_new).filter(|(_, is_new)| **is_new) {
            let canonical = element.canonical;
            if created.last() != Some(&canonical) && !self.knows(canonical, store)? {
                created.push(canonical);
            }
        }
        Ok(created)
    }

    /// Records of new elements, and canonicals of inserts that are not in the store yet.
    fn records_to_keep(
        &self,
        submission: &Submission,
        elements: &[Element],
        is_new: &[bool],
        holds: &impl Fn(&RecordId) -> bool,
        store: &dyn Store,
    ) -> Result<Vec<RecordId>, StoreError> {
        let updates = elements
            .iter()
            .zip(is_new)
            .filter(|(_, is_new)| **is_new)
            .filter_map(|(e, _)| e.update);
        let mut ids: Vec<_> = updates.collect();
        let inserts = submission
            .transaction
            .entries()
            .iter()
            .filter(|entry| entry.insert);
        let inserts: Vec<_> = inserts
            .map(|entry| entry.canonical)
            .filter(|id| holds(id))
            .collect();
        let here = store.records(&inserts)?;
        ids.extend(
            inserts
                .iter()
                .zip(here)
                .filter(|(_, here)| here.is_none())
                .map(|(id, _)| *id),
        );
        ids.retain(|id| {
            !self.pending_records.contains(id) && !self.uncommitted_records.contains(id)
        });
        Ok(ids)
    }

    fn keep_records(&mut self, submission: &Submission, ids: Vec<RecordId>) {
        for id in ids {
            if let Some(bytes) = submission.records.get(&id) {
                self.bytes += bytes.len();
                self.pending_records.insert(id);
                self.writes.push(Write::Record(id, bytes.clone()));
            }
        }
    }

    fn list(&mut self, submission: &Submission, elements: &[Element], bitmap: &Bitmap) {
        let transaction = &submission.transaction;
        let index = u32::try_from(self.items.len()).expect("a block has at most 10,000 items");
        for (i, element) in elements.iter().enumerate() {
            if bitmap.is_set(i) {
                self.pending.insert(*element, index);
            }
        }
        let bytes: Bytes = transaction.signed().encode().into();
        self.bytes += bytes.len();
        if self.chains.insert(transaction.envelope().chain) {
            self.bytes += CHAIN_BYTES_MAX;
        }
        self.writes
            .push(Write::Transaction(transaction.id(), bytes));
        self.listed.push((index, Arc::clone(transaction)));
        let added = elements.iter().enumerate();
        let mut added = added.filter(|(i, _)| bitmap.is_set(*i));
        let cells = match self.plants.has(Plant::CellOverwritten) {
            true => self
                .holds
                .cells(added.next_back().map(|(_, element)| element)),
            false => self.holds.cells(added.map(|(_, element)| element)),
        };
        self.note(&Item::Transaction {
            id: transaction.id(),
            bitmap: bitmap.clone(),
            cells,
        });
    }
}
