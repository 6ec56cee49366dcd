//! Transactions that the store alone does not show: those of this round, those without a new element, and partial ones.
//!
//! A transaction with entries in several cells may reach a peer in parts. Only the coordinator has all entries, and it
//! may never return; each other holder has only the entries of its own cells. The peer applies the entries that came.
//! It keeps fetching the others from the partners that list the transaction.

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

/// Transactions without a new element that are remembered, at most, because the store does not list them.
const REPEATS_MAX: usize = 10_000;
/// Certificate chains that are remembered as present, at most.
const CHAINS_MAX: usize = 10_000;

/// An item of a partner's journal: a transaction, with the bitmap of the elements that the partner added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: Id,
    pub(crate) added: Bitmap,
}

/// Transactions and certificate chains that this peer has, besides those that the store lists.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Transactions applied in this round and not committed yet.
    round: BTreeSet<Id>,
    /// Transactions applied lately without a new element.
    repeats: BTreeSet<Id>,
    /// The same transactions, in the order in which they came.
    order: VecDeque<Id>,
    /// Transactions applied in part.
    partial: BTreeSet<Id>,
    /// Certificate chains noted as present; not all that the store has.
    chains: BTreeSet<Id>,
}

impl Known {
    /// Reads the partly applied transactions from the store.
    pub(crate) fn new(store: &dyn Store) -> Result<Self, StoreError> {
        let partial = kept::partial(store)?;
        Ok(Self {
            partial,
            ..Self::default()
        })
    }

    /// Notes that the peer has all entries of a transaction that it holds.
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

    /// Notes that the peer has only some of the entries of a transaction that it holds.
    pub(crate) fn mark_part(&mut self, id: Id) -> Option<Write> {
        let is_new = self.partial.insert(id);
        is_new.then(|| kept::keep_partial(&id, true))
    }

    /// Notes that a certificate chain is here. Returns whether it was not noted before, so that the caller must ask the
    /// store.
    pub(crate) fn note_chain(&mut self, id: Id) -> bool {
        if self.chains.len() >= CHAINS_MAX {
            self.chains.clear();
        }
        self.chains.insert(id)
    }

    /// Ends the round: from now on the store lists the transactions applied in it.
    pub(crate) fn end_round(&mut self) {
        self.round.clear();
    }

    /// Returns those of these transactions that the peer lacks, wholly or in part.
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

/// Whether the set has all elements that a partner's item adds and this peer holds.
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

/// The canonicals for which a partner's transaction is verified before it is passed to the peer.
///
/// A push must have the records of every entry that this peer holds. The answer to a fetch may have only a part of the
/// transaction, the entries that the partner holds itself. It is verified for those entries whose records all came.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_forgotten_when_too_many_were_noted() {
        let id = |number: usize| Id::of(&[&number.to_be_bytes()]);
        let mut known = Known::default();
        for number in 0..CHAINS_MAX {
            assert!(known.note_chain(id(number)));
        }
        assert!(known.note_chain(id(CHAINS_MAX)));
        assert!(!known.note_chain(id(CHAINS_MAX)));
        assert!(known.note_chain(id(0)), "the store is asked again");
    }
}
