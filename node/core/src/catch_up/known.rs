//! Transactions that the store alone does not show: those of this round, those without a new element, and partial ones.
//!
//! A transaction with entries in several cells may reach a peer in parts. Only the coordinator has all entries, and it
//! may never return; each other holder has only the entries of its own cells. The peer applies the entries that came.
//! It keeps fetching the others from the partners that list the transaction.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_journal::{Store, StoreError, Write};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::{Bitmap, Cells, Holds},
    id::{Id, RecordId},
    transaction::{Element, Entry, Transaction},
};
use kittengrad_ring::KeyRanges;

use crate::{io::Delivery, kept, misbehaviour::Misbehaviour};

/// Transactions without a new element that are remembered, at most, because the store does not list them.
const REPEATS_MAX: usize = 10_000;
/// Certificate chains that are remembered as present, at most.
const CHAINS_MAX: usize = 10_000;
/// Transactions in one read of the store.
const READ_MAX: usize = 32;

/// An item of a partner's journal: a transaction, with the elements that the partner added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: Id,
    pub(crate) added: Bitmap,
    /// The arcs of `holds` in which the partner added elements, as it signed them.
    pub(crate) cells: Cells,
    /// The arcs that the partner holds.
    pub(crate) holds: Holds,
}

/// An item of a partner's journal that its transaction refutes.
#[derive(Debug)]
pub(crate) struct Refuted {
    pub(crate) what: Misbehaviour,
    pub(crate) transaction: Arc<Transaction>,
}

impl Listed {
    /// Whether the partner says that it added an element in one of these arcs.
    pub(crate) fn concerns(&self, held: &KeyRanges) -> bool {
        let arcs = self.holds.arcs().iter().enumerate();
        let mut touched = arcs.filter(|(number, _)| self.cells.is_set(*number));
        touched.any(|(_, arc)| held.overlaps(*arc))
    }

    /// Checks the item against its transaction.
    pub(crate) fn check(&self, transaction: &Transaction) -> Result<(), Misbehaviour> {
        let id = self.id;
        let checked = self.holds.check(transaction, &self.added, &self.cells);
        checked.map_err(|error| Misbehaviour::Cells { id, error })
    }

    /// The same with copies of the bits, which otherwise keep the whole message in memory.
    pub(crate) fn detached(self) -> Self {
        let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        Self {
            added: Bitmap::from_bytes(copy(self.added.as_bytes())),
            cells: Cells::from_bytes(copy(self.cells.as_bytes())),
            ..self
        }
    }
}

/// Transactions and certificate chains that this peer has, besides those that the store lists.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Transactions applied in this round and not committed yet.
    round: BTreeMap<Id, Arc<Transaction>>,
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
    pub(crate) fn mark_whole(
        &mut self,
        transaction: &Arc<Transaction>,
        adds_something: bool,
    ) -> Option<Write> {
        let id = transaction.id();
        self.round.insert(id, Arc::clone(transaction));
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

    /// Checks items of a partner's journal against the transactions that are here. Returns the items that concern this
    /// peer and whose transactions it lacks, wholly or in part.
    ///
    /// The inner error is about the first item that its transaction refutes. A transaction among `repeats` is not here
    /// any more. This peer has all elements of it that it holds, so a wrong bit of its item hides none.
    pub(crate) fn lacking(
        &self,
        listed: Vec<Listed>,
        view: &View,
        store: &dyn Store,
    ) -> Result<Result<Vec<Listed>, Refuted>, StoreError> {
        let held = view.held_here();
        let mut lacking = Vec::new();
        for listed in listed.chunks(READ_MAX) {
            let ids: Vec<_> = listed.iter().map(|listed| listed.id).collect();
            for (listed, stored) in listed.iter().zip(store.transactions(&ids)?) {
                let is_stored = stored.is_some();
                let transaction = match self.round.get(&listed.id) {
                    Some(transaction) => Some(Arc::clone(transaction)),
                    None => stored.map(|bytes| decode(bytes, view)).transpose()?,
                };
                if let Some(transaction) = &transaction
                    && let Err(what) = listed.check(transaction)
                {
                    let transaction = Arc::clone(transaction);
                    return Ok(Err(Refuted { what, transaction }));
                }
                if !listed.concerns(&held) {
                    continue;
                }
                let transaction = transaction.as_deref();
                let is_here = match self.partial.contains(&listed.id) {
                    true => is_stored && has_listed(listed, transaction, view, store)?,
                    false => transaction.is_some() || self.repeats.contains(&listed.id),
                };
                if !is_here {
                    lacking.push(listed.clone());
                }
            }
        }
        Ok(Ok(lacking))
    }
}

/// Whether the set has all elements of a transaction that a partner's item adds and this peer holds.
fn has_listed(
    listed: &Listed,
    transaction: Option<&Transaction>,
    view: &View,
    store: &dyn Store,
) -> Result<bool, StoreError> {
    let Some(transaction) = transaction else {
        return Ok(false);
    };
    let elements = shared(transaction, &listed.added, view);
    let here = store.contains(&elements)?;
    Ok(here.into_iter().all(|is_here| is_here))
}

/// Reads a stored transaction.
fn decode(bytes: Bytes, view: &View) -> Result<Arc<Transaction>, StoreError> {
    let transaction = Transaction::decode(bytes, view.overlay());
    let transaction = transaction.map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Arc::new(transaction))
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
    use std::sync::Arc;

    use kittengrad_journal::{Journal, MemoryStore};
    use kittengrad_ring::{KeyRange, Point};
    use kittengrad_support::journals::{FakeKey, overlay, record, submission};

    use super::*;
    use crate::fixtures::{keys, view_of};

    fn id(number: usize) -> Id {
        Id::of(&[&number.to_be_bytes()])
    }

    /// A transaction that inserts the canonical with this number.
    fn transaction(number: usize) -> Arc<Transaction> {
        submission(1, &[(number as u64, true, vec![])]).transaction
    }

    /// An item of an owner that holds the whole circle as one arc.
    fn listed(id: Id, bits: &[bool]) -> Listed {
        Listed {
            id,
            added: Bitmap::new(bits.iter().copied()),
            cells: Cells::new([true]),
            holds: Holds::whole(),
        }
    }

    /// A view in which this peer holds everything.
    fn everywhere() -> Arc<View> {
        let keys = keys(1);
        view_of(keys[0], &keys, 3)
    }

    /// The listings that a peer with this store lacks.
    fn lacking(known: &Known, all: &[Listed], store: &MemoryStore) -> Vec<Listed> {
        let lacking = known.lacking(all.to_vec(), &everywhere(), store);
        lacking.unwrap().unwrap()
    }

    #[test]
    fn only_transactions_that_are_not_here_are_lacking() {
        let mut known = Known::default();
        let transactions = [1, 2, 3].map(transaction);
        known.mark_whole(&transactions[0], true);
        known.mark_whole(&transactions[1], false);
        let all = transactions.map(|transaction| listed(transaction.id(), &[true]));
        let store = MemoryStore::default();
        assert_eq!(lacking(&known, &all, &store), all[2..]);
        // After the round the store lists the first, if it was committed. It never lists the second.
        known.end_round();
        let expected = [all[0].clone(), all[2].clone()];
        assert_eq!(lacking(&known, &all, &store), expected);
    }

    #[test]
    fn a_part_is_here_for_listings_of_that_part_only() {
        let submission = submission(1, &[(1, true, vec![2]), (3, true, vec![4])]);
        let id = submission.transaction.id();
        let first = submission.transaction.entries()[0].canonical;
        let (key, holds) = (Arc::new(FakeKey(1)), Holds::whole());
        let mut journal = Journal::open(overlay(), key, 7, None, holds, &[]);
        let (mut store, mut writes) = (MemoryStore::default(), Vec::new());
        let takes = |canonical: &RecordId| *canonical == first;
        journal.add(&submission, takes, &store).unwrap();
        journal.cut(1, &mut writes).unwrap();
        let all = [[true, false], [false, true], [true, true]].map(|bits| listed(id, &bits));
        let mut known = Known::default();
        known.mark_part(id);
        assert_eq!(lacking(&known, &all, &store), all, "nothing is committed");
        store.commit(writes);
        assert_eq!(lacking(&known, &all, &store), all[1..]);
        // Without the note the store's word is enough.
        known.mark_whole(&submission.transaction, true);
        known.end_round();
        assert!(lacking(&known, &all, &store).is_empty());
    }

    #[test]
    fn a_part_is_kept_once_until_the_transaction_is_whole() {
        let mut known = Known::default();
        let whole = transaction(1);
        let part = whole.id();
        assert_eq!(known.mark_part(part), Some(kept::keep_partial(&part, true)));
        assert_eq!(known.mark_part(part), None);
        let ended = Some(kept::keep_partial(&part, false));
        assert_eq!(known.mark_whole(&whole, true), ended);
        assert_eq!(known.mark_whole(&whole, true), None);
        assert_eq!(known.mark_whole(&transaction(2), true), None);
        // The next process reads the notes.
        let mut store = MemoryStore::default();
        store.commit(vec![kept::keep_partial(&part, true)]);
        let mut next = Known::new(&store).unwrap();
        assert_eq!(next.mark_part(part), None);
        assert_eq!(next.mark_whole(&whole, true), ended);
    }

    #[test]
    fn the_oldest_repeat_is_forgotten_first() {
        let mut known = Known::default();
        for number in 0..REPEATS_MAX {
            known.mark_whole(&transaction(number), false);
        }
        // A repeat of a repeat takes no further room.
        known.mark_whole(&transaction(0), false);
        known.end_round();
        let oldest = [0, 1, 2].map(|number| listed(transaction(number).id(), &[true]));
        let store = MemoryStore::default();
        assert!(lacking(&known, &oldest, &store).is_empty());
        known.mark_whole(&transaction(REPEATS_MAX), false);
        assert_eq!(lacking(&known, &oldest, &store), oldest[..1]);
        known.mark_whole(&transaction(REPEATS_MAX + 1), false);
        assert_eq!(lacking(&known, &oldest, &store), oldest[..2]);
    }

    #[test]
    fn entries_are_verified_if_they_are_held_and_can_be() {
        let keys = keys(7);
        let view = view_of(keys[0], &keys, 3);
        let canonical = |number: u64| RecordId::of(&record(number, 100));
        let (held, others): (Vec<u64>, Vec<u64>) =
            (1..50).partition(|number| view.holds_here(&canonical(*number)));
        let (inserted, updated, other) = (held[0], held[1], others[0]);
        let entries = [
            (inserted, true, vec![101, 102]),
            (updated, false, vec![103]),
            (other, true, vec![104]),
        ];
        let transaction = submission(1, &entries).transaction;
        for (records, expected) in [
            (
                vec![inserted, 101, 102, 103, other, 104],
                vec![inserted, updated],
            ),
            (vec![inserted, 101, 102], vec![inserted]),
            (vec![101, 102, 103], vec![updated]),
            (vec![inserted, 101, 103], vec![updated]),
            (vec![inserted, updated, other, 104], vec![]),
            (vec![], vec![]),
        ] {
            let records: Vec<_> = records.iter().map(|number| record(*number, 100)).collect();
            let verified = entries_to_verify(&view, Delivery::Body, &transaction, &records);
            let expected: BTreeSet<_> = expected.into_iter().map(canonical).collect();
            assert_eq!(verified, expected);
            // A push must be whole, so all held entries are verified.
            let pushed = entries_to_verify(&view, Delivery::Push, &transaction, &records);
            assert_eq!(pushed, [inserted, updated].map(canonical).into());
        }
    }

    #[test]
    fn a_listing_concerns_its_own_elements_that_are_held_here() {
        let keys = keys(7);
        let view = view_of(keys[0], &keys, 3);
        let is_held = |number: &u64| view.holds_here(&RecordId::of(&record(*number, 100)));
        let (held, others): (Vec<u64>, Vec<u64>) = (1..50).partition(is_held);
        let entries =
            [held[0], held[1], others[0]].map(|number| (number, true, vec![number + 100]));
        let transaction = submission(1, &entries).transaction;
        // Entries are in the order of their canonicals.
        let elements: Vec<_> = transaction.elements().collect();
        for (number, element) in elements.into_iter().enumerate() {
            let added = Bitmap::new((0..3).map(|bit| bit == number));
            let expected = view.holds_here(&element.canonical).then_some(element);
            let found = shared(&transaction, &added, &view);
            assert_eq!(found, Vec::from_iter(expected));
        }
    }

    #[test]
    fn an_item_concerns_holders_of_the_arcs_that_it_touches() {
        let arc = |from, to| KeyRange::new(Point::new([from; 32]), Point::new([to; 32]));
        let holds = Holds::new(vec![arc(1, 5), arc(5, 9)]).unwrap();
        for (cells, held, expected) in [
            ([true, false], arc(2, 3), true),
            ([true, false], arc(4, 7), true),
            ([true, false], arc(6, 7), false),
            ([false, true], arc(6, 7), true),
            ([false, true], arc(2, 3), false),
            ([true, true], arc(9, 1), false),
        ] {
            let listed = Listed {
                cells: Cells::new(cells),
                holds: holds.clone(),
                ..listed(id(1), &[true])
            };
            assert_eq!(listed.concerns(&held.into()), expected, "{cells:?} {held}");
        }
    }

    #[test]
    fn chains_are_forgotten_when_too_many_were_noted() {
        let mut known = Known::default();
        for number in 0..CHAINS_MAX {
            assert!(known.note_chain(id(number)));
        }
        assert!(known.note_chain(id(CHAINS_MAX)));
        assert!(!known.note_chain(id(CHAINS_MAX)));
        assert!(known.note_chain(id(0)), "the store is asked again");
    }
}
