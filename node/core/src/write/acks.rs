//! Acknowledgements: a submission is answered once W disks in each of its cells have it.
//!
//! The transaction goes to the other replicas while this peer's own disk syncs. It need not wait, because it carries
//! the publisher's signature and not this peer's. Each replica adds it to its own journal, and answers with the signed
//! header and the inclusion proof. Both are checked before they count.
//!
//! # Source
//! `docs/ARCHITECTURE.md`, "A write"; S1 in `docs/promises.md`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use kittengrad_overlay::{change::Change, quorum::Ack, view::Cell};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Bitmap, Header},
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    receipt::{ItemProof, ReceiptError},
    signed::Verifier,
    submission::Submission,
    transaction::{Element, Transaction},
};

use crate::io::{Now, RequestId, Timing};

/// Submissions that wait for their quorum, at most.
const WAITING_MAX: usize = 20_000;
/// Bytes of transactions and records that wait for their quorum, at most.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Answered submissions and the canonicals that they created, remembered at most. A repeat gets the first one's answer.
const ANSWERED_MAX: usize = 20_000;
/// Requests that wait for the same transaction, at most.
const ASKS_MAX: usize = 64;

/// A client's request, without its transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) request: RequestId,
    pub(crate) ack: Ack,
    pub(crate) receipt: bool,
    /// The number of the last confirmation before the request. Only later ones count for it.
    since: u64,
    pub(crate) deadline_ms: u64,
}

impl Ask {
    pub(crate) const fn new(
        request: RequestId,
        ack: Ack,
        receipt: bool,
        now: Now,
        timing: Timing,
    ) -> Self {
        Self {
            request,
            ack,
            receipt,
            since: 0,
            deadline_ms: now.monotonic_ms.saturating_add(timing.ack_ms),
        }
    }
}

/// The elements that a transaction added at this peer, and the canonicals that it created.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    pub(crate) bitmap: Bitmap,
    pub(crate) created: Vec<RecordId>,
}

/// A submission that waits for its quorum.
pub(crate) struct Waiting {
    pub(crate) asks: Vec<Ask>,
    pub(crate) submission: Submission,
    pub(crate) chain: Arc<Chain>,
    pub(crate) added: Added,
    /// The cells of its canonicals.
    pub(crate) cells: BTreeSet<Cell>,
    /// Members whose disks have every element that they hold.
    confirmed: BTreeMap<PublicKey, Confirmed>,
    /// The number of confirmations so far, repeats included.
    confirmations: u64,
}

/// The last confirmation of a member, with its number.
struct Confirmed {
    proofs: Vec<ItemProof>,
    number: u64,
}

impl Waiting {
    /// Makes a submission that waits for confirmations. `added` is the part that was new to this peer.
    pub(crate) fn new(
        ask: Ask,
        submission: Submission,
        chain: Arc<Chain>,
        added: Added,
        cells: BTreeSet<Cell>,
    ) -> Self {
        Self {
            asks: vec![ask],
            submission,
            chain,
            added,
            cells,
            confirmed: BTreeMap::new(),
            confirmations: 0,
        }
    }

    /// Counts the confirmation of a member. `proofs` prove every element that it holds.
    pub(crate) fn confirm(&mut self, member: PublicKey, proofs: Vec<ItemProof>) {
        self.confirmations += 1;
        let number = self.confirmations;
        self.confirmed.insert(member, Confirmed { proofs, number });
    }

    /// Drops the confirmation of a member.
    pub(crate) fn forget(&mut self, member: PublicKey) {
        self.confirmed.remove(&member);
    }

    /// Whether there is a request since the last confirmation of a member.
    pub(crate) fn lacks(&self, member: PublicKey) -> bool {
        let number = self.confirmed.get(&member).map_or(0, |last| last.number);
        self.asks.iter().any(|ask| number <= ask.since)
    }

    /// The proofs in the last confirmation of a member.
    pub(crate) fn proofs(&self, member: PublicKey) -> Option<&[ItemProof]> {
        self.confirmed.get(&member).map(|last| &last.proofs[..])
    }

    /// The members that confirmed since a request, with their proofs.
    pub(crate) fn confirmed_for(&self, ask: &Ask) -> BTreeMap<PublicKey, &[ItemProof]> {
        let confirmed = self.confirmed.iter();
        let later = confirmed.filter(|(_, last)| last.number > ask.since);
        later
            .map(|(member, last)| (*member, &last.proofs[..]))
            .collect()
    }

    /// Whether enough disks confirmed since the request, in every cell and in every ring in force.
    pub(crate) fn is_reached(&self, ask: &Ask, change: &Change, plants: Plants) -> bool {
        let confirmed = self.confirmed_for(ask);
        let is_confirmed =
            |cell| change.is_confirmed(cell, ask.ack, |member| confirmed.contains_key(member));
        self.cells.iter().all(is_confirmed) || self.is_reached_by_mistake(ask, change, plants)
    }

    /// The planted bugs of the quorum.
    fn is_reached_by_mistake(&self, ask: &Ask, change: &Change, plants: Plants) -> bool {
        let confirmed = self.confirmed_for(ask);
        let is_confirmed = |cell: &Cell, ack: Ack, spare: usize| {
            let mut unconfirmed = change.newest().replicas(cell);
            unconfirmed.retain(|member| !confirmed.contains_key(member));
            unconfirmed.truncate(spare);
            change.is_confirmed(cell, ack, |member| {
                confirmed.contains_key(member) || unconfirmed.contains(member)
            })
        };
        let mut cells = self.cells.iter();
        plants.has(Plant::QuorumOneShort) && cells.clone().all(|c| is_confirmed(c, ask.ack, 1))
            || plants.has(Plant::AnyCell) && cells.clone().any(|c| is_confirmed(c, ask.ack, 0))
            || plants.has(Plant::AllIsQuorum)
                && ask.ack == Ack::All
                && cells.all(|c| is_confirmed(c, Ack::Quorum, 0))
    }

    /// The members that hold an entry of the transaction.
    pub(crate) fn replicas(&self, change: &Change) -> Vec<PublicKey> {
        change.replicas(&self.cells)
    }
}

/// The result of a request for a transaction that other requests wait for too.
pub(crate) enum Joined<'a> {
    /// The request waits with them.
    Waits(&'a Waiting),
    /// [`ASKS_MAX`] requests wait already.
    Full,
}

/// The added elements of submissions that were answered lately. The client may not have received the answer.
#[derive(Default)]
struct Answered {
    added: BTreeMap<Id, Added>,
    order: VecDeque<Id>,
    canonicals: usize,
}

impl Answered {
    fn remember(&mut self, id: Id, added: Added) {
        if added.bitmap.count() == 0 || self.added.contains_key(&id) {
            return;
        }
        self.canonicals += weight(&added);
        self.added.insert(id, added);
        self.order.push_back(id);
        while self.canonicals > ANSWERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            let forgotten = self.added.remove(&oldest);
            self.canonicals -= forgotten.as_ref().map_or(0, weight);
        }
    }
}

fn weight(added: &Added) -> usize {
    1 + added.created.len()
}

/// All transactions that wait for a confirmation, of this peer or of others.
#[derive(Default)]
pub(crate) struct Acks {
    waiting: BTreeMap<Id, Waiting>,
    waiting_bytes: usize,
    answered: Answered,
    /// Submissions that this peer confirms at the end of the round.
    fresh: BTreeSet<Id>,
    /// Pushes added in this round, which this peer confirms to their coordinators.
    owed: Vec<(PublicKey, Arc<Transaction>)>,
    /// The last verified header of each partner, because one block confirms many transactions.
    verified: BTreeMap<PublicKey, Header>,
}

impl Acks {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The submissions that wait, by transaction.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &Waiting)> {
        self.waiting.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.waiting.values_mut()
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Waiting> {
        self.waiting.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &Id) -> Option<&mut Waiting> {
        self.waiting.get_mut(id)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX || self.waiting_bytes >= WAITING_BYTES_MAX
    }

    /// Lets a submission wait from now on. This peer confirms it at the end of the round.
    pub(crate) fn begin(&mut self, waiting: Waiting) {
        let id = waiting.submission.transaction.id();
        self.waiting_bytes += waiting.submission.size_bytes();
        self.fresh.insert(id);
        self.waiting.insert(id, waiting);
    }

    /// Ends the wait for a submission. The elements that it added are remembered for a while.
    pub(crate) fn end(&mut self, id: &Id, plants: Plants) {
        if let Some(waiting) = self.waiting.remove(id) {
            if !plants.has(Plant::WaitingBytesKept) {
                self.waiting_bytes -= waiting.submission.size_bytes();
            }
            self.answered.remember(*id, waiting.added);
        }
    }

    /// The elements that a transaction added when it came first, if they are still remembered.
    pub(crate) fn first_added(&self, id: &Id) -> Option<Added> {
        self.answered.added.get(id).cloned()
    }

    /// Lets a request wait with others for the same transaction, which this peer confirms again.
    ///
    /// `None` if no request waits for the transaction.
    pub(crate) fn join(&mut self, id: Id, mut ask: Ask, plants: Plants) -> Option<Joined<'_>> {
        let waiting = self.waiting.get_mut(&id)?;
        if waiting.asks.len() >= ASKS_MAX {
            return Some(Joined::Full);
        }
        if !plants.has(Plant::JoinedByOld) {
            ask.since = waiting.confirmations;
        }
        waiting.asks.push(ask);
        self.fresh.insert(id);
        Some(Joined::Waits(waiting))
    }

    /// Notes that a coordinator waits for the confirmation of this transaction.
    pub(crate) fn owe(&mut self, coordinator: PublicKey, transaction: Arc<Transaction>) {
        self.owed.push((coordinator, transaction));
    }

    pub(crate) fn take_owed(&mut self) -> Vec<(PublicKey, Arc<Transaction>)> {
        std::mem::take(&mut self.owed)
    }

    pub(crate) fn take_fresh(&mut self) -> BTreeSet<Id> {
        std::mem::take(&mut self.fresh)
    }

    /// Verifies the proofs of a replica, and returns the elements that they prove.
    pub(crate) fn check(
        &mut self,
        from: PublicKey,
        proofs: &[ItemProof],
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<BTreeSet<Element>, ReceiptError> {
        let mut proved = BTreeSet::new();
        for proof in proofs {
            // Compares the whole header, because its hash does not cover the signature.
            if self.verified.get(&from) != Some(&proof.header) {
                proof.header.verify(verifier)?;
                self.verified.insert(from, proof.header.clone());
            }
            proved.extend(proof.check(&from, transaction, verifier)?);
        }
        Ok(proved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::tests::{added, begin, join};

    #[test]
    fn so_many_requests_wait_for_one_transaction_and_no_more() {
        let mut acks = Acks::default();
        let id = begin(&mut acks, 1);
        for request in 1..ASKS_MAX as u64 {
            assert_eq!(join(&mut acks, id, request), Some(true));
        }
        assert_eq!(join(&mut acks, id, 0), Some(false));
        assert_eq!(
            acks.get(&id).map(|waiting| waiting.asks.len()),
            Some(ASKS_MAX)
        );
        acks.end(&id, Plants::NONE);
        assert_eq!(join(&mut acks, id, 0), None);
    }

    #[test]
    fn the_bytes_that_wait_are_those_of_submissions_not_answered() {
        let mut acks = Acks::default();
        let ids = [1, 2].map(|nonce| begin(&mut acks, nonce));
        let bytes = ids.map(|id| acks.get(&id).unwrap().submission.size_bytes());
        assert_eq!((acks.len(), acks.waiting_bytes()), (2, bytes[0] + bytes[1]));
        assert_eq!(acks.take_fresh(), ids.into());
        assert!(acks.take_fresh().is_empty());
        for (id, left) in [(ids[0], bytes[1]), (ids[0], bytes[1]), (ids[1], 0)] {
            acks.end(&id, Plants::NONE);
            assert_eq!(acks.waiting_bytes(), left);
        }
        assert_eq!(acks.len(), 0);
        for (waiting_bytes, is_full) in [(WAITING_BYTES_MAX - 1, false), (WAITING_BYTES_MAX, true)]
        {
            acks.waiting_bytes = waiting_bytes;
            assert_eq!(acks.is_full(), is_full);
        }
    }

    #[test]
    fn the_oldest_answers_are_forgotten_first() {
        let id = |number: u8| Id::new([number; 32]);
        let mut answered = Answered::default();
        // Each answer weighs one more than the canonicals that it lists.
        for (number, created, remembered) in [
            (1, 9_999, vec![1]),
            (2, 9_999, vec![1, 2]),
            (3, 0, vec![2, 3]),
            (4, 9_998, vec![2, 3, 4]),
            // It is remembered already.
            (4, 0, vec![2, 3, 4]),
            (5, 0, vec![3, 4, 5]),
            (6, 19_999, vec![6]),
        ] {
            answered.remember(id(number), added(created));
            let found: Vec<_> = answered.added.keys().copied().collect();
            let expected: Vec<_> = remembered.into_iter().map(id).collect();
            assert_eq!(found, expected, "{number}");
            let weights: usize = answered.added.values().map(weight).sum();
            assert_eq!(answered.canonicals, weights);
            assert_eq!(answered.order.len(), answered.added.len());
        }
    }
}
