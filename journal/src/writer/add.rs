//! Adding: the new elements of a transaction become an item of the block under construction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::{Bitmap, Item},
    id::RecordId,
    limits::{CHAIN_BYTES_MAX, RECORD_BYTES_MAX, SUBMISSION_BYTES_MAX},
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

/// The result of [`Journal::add_listed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// One bit per element of the transaction. All are unset for a repeat.
    pub bitmap: Bitmap,
    /// Records that the listed elements name, and that neither the store nor the submission has, each with its
    /// canonical.
    pub absent: BTreeMap<RecordId, RecordId>,
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
        let own = self.holds.clone();
        let holds = |canonical: &RecordId| own.contains(canonical.point()) && takes(canonical);
        let transaction = &submission.transaction;
        let elements: Vec<_> = transaction.elements().collect();
        let held: Vec<_> = elements
            .iter()
            .map(|element| holds(&element.canonical))
            .collect();
        let is_new = self.new_elements(&elements, &held, store)?;
        let created = self.created(&elements, &is_new, store)?;
        let records = self.records_to_keep(submission, &elements, &is_new, &holds, store)?;
        let is_missing = |id: &&RecordId| !submission.records.contains_key(id);
        if let Some(id) = records.iter().find(is_missing) {
            return Err(JournalError::MissingRecord(*id));
        }
        let bitmap = Bitmap::new(is_new);
        self.keep_records(submission, records);
        if bitmap.count() > 0 {
            self.list(submission, &elements, &bitmap);
        }
        Ok(Added { bitmap, created })
    }

    /// Adds the new elements that another journal lists: those whose bit in `listed` is set, if the own `hold` contains
    /// them. Records of the submission are kept; those that it lacks are returned as absent, and prevent nothing. A
    /// repeat adds nothing and is not listed.
    ///
    /// Returns `None` if the block under construction has no room for the new elements. Nothing is added then.
    ///
    /// # Errors
    /// If the store does not answer. Nothing is added then.
    pub fn add_listed(
        &mut self,
        submission: &Submission,
        listed: &Bitmap,
        store: &dyn Store,
    ) -> Result<Option<Listed>, StoreError> {
        let elements: Vec<_> = submission.transaction.elements().collect();
        let takes =
            |i: usize| listed.is_set(i) && self.holds.contains(elements[i].canonical.point());
        let taken: Vec<_> = (0..elements.len()).map(takes).collect();
        let is_new = self.new_elements(&elements, &taken, store)?;
        let of_taken = elements.iter().zip(&taken).filter(|(_, taken)| **taken);
        let canonicals: BTreeSet<_> = of_taken.map(|(element, _)| element.canonical).collect();
        let is_taken = |canonical: &RecordId| canonicals.contains(canonical);
        let mut records = self.records_to_keep(submission, &elements, &is_new, &is_taken, store)?;
        let absent: BTreeSet<_> = records
            .extract_if(.., |id| !submission.records.contains_key(id))
            .collect();
        let bitmap = Bitmap::new(is_new);
        if bitmap.count() > 0 {
            let absent_bytes = absent_bytes(absent.len());
            let kept = records.iter().filter_map(|id| submission.records.get(id));
            let kept_bytes = kept.map(Bytes::len).sum::<usize>();
            let signed_bytes = submission.transaction.signed().size_bytes();
            if !self.has_room(signed_bytes + kept_bytes + absent_bytes) {
                return Ok(None);
            }
            self.bytes += absent_bytes;
            self.list(submission, &elements, &bitmap);
        }
        self.keep_records(submission, records);
        let canonical_of = |id: RecordId| {
            let mut elements = elements.iter();
            let named = elements.find(|element| element.update == Some(id));
            (id, named.map_or(id, |element| element.canonical))
        };
        let absent = absent.into_iter().map(canonical_of).collect();
        Ok(Some(Listed { bitmap, absent }))
    }

    /// Adds the write of a record of elements that were added before, unless a block that is not committed yet brings
    /// the record.
    pub fn keep_record(&mut self, id: RecordId, bytes: &Bytes) {
        if !self.is_record_pending(&id) {
            self.bytes += bytes.len();
            self.pending_records.insert(id);
            self.writes.push(Write::Record(id, bytes.clone()));
        }
    }

    fn is_record_pending(&self, id: &RecordId) -> bool {
        self.pending_records.contains(id) || self.uncommitted_records.contains(id)
    }

    /// For each element, whether it is in the store or in a block that is not committed yet.
    ///
    /// # Errors
    /// If the store does not answer.
    pub fn contains(
        &self,
        elements: &[Element],
        store: &dyn Store,
    ) -> Result<Vec<bool>, StoreError> {
        let stored = store.contains(elements)?;
        let each = elements.iter().zip(stored);
        let is_contained = each.map(|(element, is_stored)| is_stored || self.is_added(element));
        Ok(is_contained.collect())
    }

    /// For each element, whether it is taken and neither in the store nor in a block that is not committed yet.
    fn new_elements(
        &self,
        elements: &[Element],
        taken: &[bool],
        store: &dyn Store,
    ) -> Result<Vec<bool>, StoreError> {
        let known = store.contains(elements)?;
        let is_new = (0..elements.len()).map(|i| {
            let is_known = known[i] && !self.plants.has(Plant::RepeatOfStored);
            taken[i] && !is_known && !self.is_added(&elements[i])
        });
        Ok(is_new.collect())
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
        ids.retain(|id| !self.is_record_pending(id));
        Ok(ids)
    }

    fn keep_records(&mut self, submission: &Submission, ids: Vec<RecordId>) {
        for id in ids {
            if let Some(bytes) = submission.records.get(&id) {
                self.keep_record(id, bytes);
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

/// Bytes for which a block leaves room if an item lacks a number of records, because readers get them once they are
/// here. A transaction and its records have at most [`SUBMISSION_BYTES_MAX`].
fn absent_bytes(records: usize) -> usize {
    records
        .saturating_mul(RECORD_BYTES_MAX)
        .min(SUBMISSION_BYTES_MAX)
}
