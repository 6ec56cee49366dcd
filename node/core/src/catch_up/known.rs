//! Which transactions are here, as far as the store alone does not tell.
//!
//! A transaction with entries in several cells may reach a peer in parts: the coordinator has all of it, but may
//! never return, and each other holder has only the entries of its own cells. What came is applied, what is
//! missing stays wanted of those whose journals list it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use kittengrad_journal::{Store, StoreError, Write};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, RecordId},
    transaction::{Element, Entry, Transaction},
};

use crate::{io::Delivery, kept};

/// Transactions that added nothing here are remembered up to this number: the store does not list them.
const REPEATS_MAX: usize = 10_000;
/// Certificate chains that are remembered as being here.
const CHAINS_MAX: usize = 10_000;

/// An item of a partner's journal: a transaction, and which of its elements the partner added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: Id,
    pub(crate) added: Bitmap,
}

/// What is here beside what the store lists.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Applied in this round, not committed yet.
    round: BTreeSet<Id>,
    /// Applied lately without adding anything.
    repeats: BTreeSet<Id>,
    /// The same, in the order in which they came.
    order: VecDeque<Id>,
    /// Applied in part.
    partial: BTreeSet<Id>,
    /// Certificate chains that are here, as far as it was noticed.
    chains: BTreeSet<Id>,
}

impl Known {
    /// What was kept.
    pub(crate) fn new(store: &dyn Store) -> Result<Self, StoreError> {
        let partial = kept::partial(store)?;
        Ok(Self {
            partial,
            ..Self::default()
        })
    }

    /// Notes that all entries of a transaction that this peer holds are here.
    pub(crate) fn mark_whole(&mut self, id: Id, adds_something: bool) -> Option<Write> {
        self.round.insert(id);
        if !adds_something && self.repeats.insert(id) {
            self.order.push_back(id);
            if self.order.len() > REPEATS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.repeats.remove(&oldest);
            }
        }
        let was_partial = self.partial.remove(&id);
        was_partial.then(|| kept::keep_partial(&id, false))
    }

    /// Notes that some entries of a transaction that this peer holds are here.
    pub(crate) fn mark_part(&mut self, id: Id) -> Option<Write> {
        let is_new = self.partial.insert(id);
        is_new.then(|| kept::keep_partial(&id, true))
    }

    /// Notes that a certificate chain is here; says whether that is new, so that the store has to be asked.
    pub(crate) fn note_chain(&mut self, id: Id) -> bool {
        if self.chains.len() >= CHAINS_MAX {
            self.chains.clear();
        }
        self.chains.insert(id)
    }

    /// The round ended: the store lists what was applied in it.
    pub(crate) fn end_round(&mut self) {
        self.round.clear();
    }

    /// Which of these are not here.
    pub(crate) fn lacking(
        &self,
        listed: Vec<Listed>,
        view: &View,
        store: &dyn Store,
    ) -> Result<Vec<Listed>, StoreError> {
        let ids: Vec<_> = listed.iter().map(|listed| listed.id).collect();
        let stored = store.has_transactions(&ids)?;
        let mut lacking = Vec::new();
        for (listed, is_stored) in listed.into_iter().zip(stored) {
            let id = &listed.id;
            let is_here = if self.partial.contains(id) {
                is_stored && is_listing_here(&listed, view, store)?
            } else {
                is_stored || self.round.contains(id) || self.repeats.contains(id)
            };
            if !is_here {
                lacking.push(listed);
            }
        }
        Ok(lacking)
    }
}

/// Whether all that a partner's item adds, and this peer holds, is in the set.
fn is_listing_here(listed: &Listed, view: &View, store: &dyn Store) -> Result<bool, StoreError> {
    let Some(bytes) = store.transactions(&[listed.id])?.pop().flatten() else {
        return Ok(false);
    };
    let transaction = Transaction::decode(bytes, view.overlay())
        .map_err(|error| StoreError::Damaged(error.to_string()))?;
    let elements = shared(&transaction, &listed.added, view);
    Ok(store
        .contains(&elements)?
        .into_iter()
        .all(|is_here| is_here))
}

/// The elements of a partner's item that this peer holds.
pub(crate) fn shared(transaction: &Transaction, added: &Bitmap, view: &View) -> Vec<Element> {
    let elements = transaction.elements().enumerate();
    let added = elements.filter(|(number, _)| added.is_set(*number));
    added
        .map(|(_, element)| element)
        .filter(|element| view.holds_here(&element.canonical))
        .collect()
}

/// The canonicals for which a partner's transaction is verified before it is handed in.
///
/// A push has to bring the records of every entry that this peer holds. What a partner sends in answer to a fetch may
/// be a part of the transaction, the entries that it holds itself: it is verified for those of them that came whole.
#[must_use]
pub fn entries_to_verify(
    view: &View,
    delivery: Delivery,
    transaction: &Transaction,
    records: &[Bytes],
) -> BTreeSet<RecordId> {
    let entries = transaction.entries().iter();
    let held = entries.filter(|entry| view.holds_here(&entry.canonical));
    let came: BTreeSet<_> = match delivery {
        Delivery::Push => return held.map(|entry| entry.canonical).collect(),
        Delivery::Body => records.iter().map(|bytes| RecordId::of(bytes)).collect(),
    };
    let whole = held.filter(|entry| records_of(entry).all(|id| came.contains(&id)));
    whole.map(|entry| entry.canonical).collect()
}

/// The records that an entry needs.
pub(crate) fn records_of(entry: &Entry) -> impl Iterator<Item = RecordId> + '_ {
    let canonical = entry.insert.then_some(entry.canonical);
    canonical.into_iter().chain(entry.updates.iter().copied())
}
