//! Acknowledgements: a submission is answered once W disks in each of its cells have it.
//!
//! The transaction goes to the other replicas while this peer's own disk syncs: it carries the client's signature,
//! not ours, so it need not wait. Each replica journals it in its own chain and answers with the signed header and
//! the inclusion proof; both are checked before they count.
//!
//! # Source
//! Design section 4, "Insert and update"; section 2, "Receipt".

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_journal::{Cut, ProveError, Store, prove};
use kittengrad_proto::{
    block::{Bitmap, Head},
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    link::{Message, Push, PushResult},
    receipt::{Confirmation, ItemProof, Receipt, ReceiptError},
    signed::Verifier,
    submission::Submission,
    transaction::{Element, Transaction},
};

use crate::{
    io::{Ack, Event, Fatal, Now, Output, Refusal, Reply, RequestId, Send, Submitted},
    membership::Membership,
    peer::{AddError, Peer},
};

/// Submissions that may wait for their quorum at once.
const WAITING_MAX: usize = 20_000;
/// The refusal that asks for the publisher's certificates again.
pub const CHAIN_UNKNOWN: &str = "CHAIN_UNKNOWN";

/// What a client asked for beside the transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) request: RequestId,
    pub(crate) ack: Ack,
    pub(crate) receipt: bool,
}

/// What a transaction added here.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    pub(crate) bitmap: Bitmap,
    pub(crate) created: Vec<RecordId>,
}

/// A submission that waits for its quorum.
struct Waiting {
    asks: Vec<Ask>,
    submission: Submission,
    chain: Arc<Chain>,
    added: Added,
    /// Owners of the cells that it has canonicals in.
    cells: BTreeSet<usize>,
    /// Members whose disks have every element that they hold, with the proofs.
    confirmed: BTreeMap<usize, Vec<ItemProof>>,
    deadline_ms: u64,
}

/// Everything that waits to be confirmed, here or elsewhere.
#[derive(Default)]
pub(crate) struct Acks {
    waiting: BTreeMap<Id, Waiting>,
    /// Submissions added in this round: confirmed here at its end.
    fresh: BTreeSet<Id>,
    /// Pushes added in this round, to be confirmed to their coordinators.
    owed: Vec<(PublicKey, Arc<Transaction>)>,
    /// The header of each partner whose signature was verified last: one block confirms many transactions.
    verified: BTreeMap<PublicKey, Id>,
}

impl Acks {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A coordinator waits for the confirmation of this transaction.
    pub(crate) fn owe(&mut self, coordinator: PublicKey, transaction: Arc<Transaction>) {
        self.owed.push((coordinator, transaction));
    }

    /// Verifies what a replica proves, and returns the elements.
    fn check(
        &mut self,
        from: PublicKey,
        proofs: &[ItemProof],
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<BTreeSet<Element>, ReceiptError> {
        let mut proved = BTreeSet::new();
        for proof in proofs {
            let hash = proof.header.hash();
            if self.verified.get(&from) != Some(&hash) {
                proof.header.verify(verifier)?;
                self.verified.insert(from, hash);
            }
            proved.extend(proof.check(&from, transaction, verifier)?);
        }
        Ok(proved)
    }
}

impl Waiting {
    /// Whether enough disks have it in every cell.
    fn is_reached(&self, ack: Ack, membership: &Membership) -> bool {
        let ring = membership.ring();
        self.cells.iter().all(|cell| {
            let replicas = ring.replicas(*cell);
            let confirmed = replicas
                .iter()
                .filter(|member| self.confirmed.contains_key(member))
                .count();
            confirmed
                >= match ack {
                    Ack::One => 1,
                    Ack::Quorum => ring.replication().quorum(),
                    Ack::All => replicas.len(),
                }
        })
    }
}

impl Peer {
    /// A client's transaction: adds it, forwards it, and lets it wait for its quorum.
    pub(crate) fn submit(
        &mut self,
        now: Now,
        ask: Ask,
        submission: Submission,
        chain: Arc<Chain>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let id = submission.transaction.id();
        if let Some(waiting) = self.acks.waiting.get_mut(&id) {
            waiting.asks.push(ask);
            return Ok(());
        }
        let refusal = match self.may_submit(&submission, store)? {
            Some(refusal) => refusal,
            None => match self.add(now, &submission, &chain, store, out) {
                Ok(added) => {
                    self.wait(now, ask, submission, chain, added, out);
                    return Ok(());
                }
                Err(AddError::Fatal(fatal)) => return Err(fatal),
                Err(AddError::Starting) => Refusal::Starting(self.why_starting()),
                Err(AddError::Refused(why)) => Refusal::Internal(why),
            },
        };
        out.replies.push(Reply {
            request: ask.request,
            outcome: Err(refusal),
        });
        Ok(())
    }

    /// What only the coordinator checks: its place, its room, and that updates have a canonical.
    fn may_submit(
        &self,
        submission: &Submission,
        store: &dyn Store,
    ) -> Result<Option<Refusal>, Fatal> {
        let Some(journal) = self.journal() else {
            return Ok(Some(Refusal::Starting(self.why_starting())));
        };
        if !self.has_space() {
            return Ok(Some(Refusal::DiskFull));
        }
        if self.acks.len() >= WAITING_MAX {
            return Ok(Some(Refusal::Overloaded));
        }
        for entry in submission.transaction.entries() {
            if !self.config.membership.holds_here(&entry.canonical) {
                return Ok(Some(Refusal::NotResponsible(entry.canonical)));
            }
            if !entry.insert && !journal.knows(entry.canonical, store)? {
                return Ok(Some(Refusal::UnknownCanonical(entry.canonical)));
            }
        }
        Ok(None)
    }

    fn wait(
        &mut self,
        now: Now,
        ask: Ask,
        submission: Submission,
        chain: Arc<Chain>,
        added: Added,
        out: &mut Output,
    ) {
        let ring = self.config.membership.ring();
        let entries = submission.transaction.entries().iter();
        let cells = entries
            .map(|entry| ring.owner(entry.canonical.point()))
            .collect();
        let id = submission.transaction.id();
        let deadline_ms = now.monotonic_ms + self.config.timing.ack_ms;
        let waiting = Waiting {
            asks: vec![ask],
            submission,
            chain,
            added,
            cells,
            confirmed: BTreeMap::new(),
            deadline_ms,
        };
        for member in self.replicas_of(&waiting) {
            self.push(member, &waiting, out);
        }
        self.acks.waiting.insert(id, waiting);
        self.acks.fresh.insert(id);
    }

    /// The other members that hold anything of it.
    fn replicas_of(&self, waiting: &Waiting) -> BTreeSet<usize> {
        let membership = &self.config.membership;
        let cells = waiting
            .cells
            .iter()
            .flat_map(|cell| membership.ring().replicas(*cell));
        cells.filter(|member| *member != membership.me()).collect()
    }

    /// Sends a transaction to a replica that is connected, with the records that it holds.
    fn push(&mut self, member: usize, waiting: &Waiting, out: &mut Output) {
        let membership = &self.config.membership;
        let to = membership.key(member);
        let Some(link) = self.links.get_mut(&to).filter(|link| link.hello.is_some()) else {
            return;
        };
        let is_new = link.sent_chains.insert(waiting.chain.id());
        let push = Push {
            transaction: Arc::clone(&waiting.submission.transaction),
            records: records_for(membership, member, &waiting.submission),
            chain: is_new.then(|| Chain::clone(&waiting.chain)),
        };
        out.forwards.push(Send {
            to,
            message: Message::Push(push),
        });
    }

    /// A replica is connected again: what it may have missed and others wait for goes to it anew.
    pub(crate) fn push_again(&mut self, partner: PublicKey, out: &mut Output) {
        let Some(member) = self.config.membership.index_of(&partner) else {
            return;
        };
        let waiting = std::mem::take(&mut self.acks.waiting);
        for waiting in waiting
            .values()
            .filter(|waiting| !waiting.confirmed.contains_key(&member))
        {
            if self.replicas_of(waiting).contains(&member) {
                self.push(member, waiting, out);
            }
        }
        self.acks.waiting = waiting;
    }

    /// A replica answered a push.
    pub(crate) fn push_result(&mut self, from: PublicKey, result: PushResult, out: &mut Output) {
        let Some(member) = self.config.membership.index_of(&from) else {
            return;
        };
        let Some(mut waiting) = self.acks.waiting.remove(&result.id) else {
            return;
        };
        match result.outcome {
            Ok(proofs) => self.count(member, &mut waiting, proofs, out),
            Err(why) if why == CHAIN_UNKNOWN => {
                if let Some(link) = self.links.get_mut(&from) {
                    link.sent_chains.remove(&waiting.chain.id());
                }
                self.push(member, &waiting, out);
            }
            // A replica that starts or fills up says so; the transaction reaches it through its partners' journals.
            Err(_) => {}
        }
        self.answer(result.id, waiting, out);
    }

    /// Counts a replica's confirmation, if it proves every element that the replica holds.
    fn count(
        &mut self,
        member: usize,
        waiting: &mut Waiting,
        proofs: Vec<ItemProof>,
        out: &mut Output,
    ) {
        let membership = &self.config.membership;
        let peer = membership.key(member);
        let transaction = &waiting.submission.transaction;
        let proved = match self
            .acks
            .check(peer, &proofs, transaction, &*self.config.verifier)
        {
            Ok(proved) => proved,
            Err(error) => {
                out.events.push(Event::Misbehaved {
                    peer,
                    why: error.to_string(),
                });
                return;
            }
        };
        if let (Some(link), Some(head)) = (
            self.links.get_mut(&peer),
            proofs.iter().map(|p| p.header.head()).max(),
        ) {
            link.saw(head);
        }
        let mut held = transaction
            .elements()
            .filter(|e| membership.holds(member, &e.canonical));
        if held.all(|element| proved.contains(&element)) {
            waiting.confirmed.insert(member, proofs);
        }
    }

    /// Answers those whose quorum is reached; keeps the rest waiting.
    fn answer(&mut self, id: Id, mut waiting: Waiting, out: &mut Output) {
        let membership = &self.config.membership;
        if waiting.confirmed.contains_key(&membership.me()) {
            let asks = std::mem::take(&mut waiting.asks);
            for ask in asks {
                if waiting.is_reached(ask.ack, membership) {
                    out.replies.push(self.reply(ask, &waiting, true));
                } else {
                    waiting.asks.push(ask);
                }
            }
        }
        if !waiting.asks.is_empty() {
            self.acks.waiting.insert(id, waiting);
        }
    }

    fn reply(&self, ask: Ask, waiting: &Waiting, is_acknowledged: bool) -> Reply {
        let membership = &self.config.membership;
        let me = membership.me();
        let own = waiting
            .confirmed
            .get(&me)
            .and_then(|proofs| proofs.iter().map(|p| p.header.head()).max());
        let others = waiting.confirmed.keys().filter(|member| **member != me);
        let synced = std::iter::once(me).chain(others.copied());
        let submitted = Submitted {
            added: waiting.added.bitmap.clone(),
            created: waiting.added.created.clone(),
            block: own.unwrap_or(Head {
                incarnation: 0,
                height: 0,
                hash: Id::ZERO,
            }),
            synced: synced.map(|member| membership.key(member)).collect(),
            is_acknowledged,
            receipt: (ask.receipt && is_acknowledged)
                .then(|| Box::new(self.receipt(ask.ack, waiting))),
        };
        Reply {
            request: ask.request,
            outcome: Ok(submitted),
        }
    }

    fn receipt(&self, ack: Ack, waiting: &Waiting) -> Receipt {
        let membership = &self.config.membership;
        let ring = membership.ring();
        let cells = waiting.cells.iter().map(|cell| {
            let replicas = ring.replicas(*cell).into_iter();
            let confirmed = replicas.filter(|member| waiting.confirmed.contains_key(member));
            (
                ring.cell(*cell),
                confirmed.map(|member| membership.key(member)).collect(),
            )
        });
        let cells: Vec<(_, Vec<_>)> = cells.collect();
        let quorum = match ack {
            Ack::One => 1,
            Ack::Quorum => ring.replication().quorum(),
            Ack::All => cells
                .iter()
                .map(|(_, peers)| peers.len())
                .min()
                .unwrap_or_default(),
        };
        let confirmations = waiting.confirmed.iter().filter_map(|(member, proofs)| {
            let peer = membership.key(*member);
            let chain = if *member == membership.me() {
                self.config.identity.chain.clone()
            } else {
                self.links.get(&peer)?.chain.clone()?
            };
            Some(Confirmation {
                peer,
                chain,
                proofs: proofs.clone(),
            })
        });
        Receipt {
            transaction: Transaction::clone(&waiting.submission.transaction),
            quorum: u32::try_from(quorum).unwrap_or(u32::MAX),
            cells,
            confirmations: confirmations.collect(),
        }
    }

    /// Time went by: what did not reach its quorum is answered as it stands.
    pub(crate) fn expire_acks(&mut self, now: Now, out: &mut Output) {
        let is_late = |waiting: &Waiting| waiting.deadline_ms <= now.monotonic_ms;
        let late: Vec<_> = self
            .acks
            .waiting
            .iter()
            .filter(|(_, w)| is_late(w))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(waiting) = self.acks.waiting.remove(&id) {
                let replies = waiting
                    .asks
                    .iter()
                    .map(|ask| self.reply(*ask, &waiting, false));
                out.replies.extend(replies);
            }
        }
    }

    /// The round ends: proves what this peer's disk will have once it is committed.
    pub(crate) fn confirm(
        &mut self,
        round: &[Cut],
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        for (coordinator, transaction) in std::mem::take(&mut self.acks.owed) {
            let outcome = self
                .prove(round, &transaction, store)?
                .map_err(|e| e.to_string());
            let result = PushResult {
                id: transaction.id(),
                outcome,
            };
            out.sends.push(Send {
                to: coordinator,
                message: Message::PushResult(result),
            });
        }
        let me = self.config.membership.me();
        for id in std::mem::take(&mut self.acks.fresh) {
            let Some(mut waiting) = self.acks.waiting.remove(&id) else {
                continue;
            };
            if let Ok(proofs) = self.prove(round, &waiting.submission.transaction, store)? {
                waiting.confirmed.insert(me, proofs);
            }
            self.answer(id, waiting, out);
        }
        Ok(())
    }

    /// Proofs of every element that this peer holds: from this round's blocks, and from older ones.
    fn prove(
        &self,
        round: &[Cut],
        transaction: &Transaction,
        store: &dyn Store,
    ) -> Result<Result<Vec<ItemProof>, ProveError>, Fatal> {
        let membership = &self.config.membership;
        let mut fresh: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut older = Vec::new();
        for element in transaction
            .elements()
            .filter(|e| membership.holds_here(&e.canonical))
        {
            let places = round.iter().enumerate();
            let place = places
                .filter_map(|(cut, c)| Some((cut, *c.added.get(&element)?)))
                .next();
            match place {
                Some(place) => drop(fresh.insert(place)),
                None => older.push(element),
            }
        }
        let id = transaction.id();
        let mut proofs: Vec<_> = fresh
            .into_iter()
            .map(|(cut, index)| prove_in(&round[cut], index, &id))
            .collect();
        match prove(store, membership.overlay(), &id, older) {
            Ok(older) => proofs.extend(older),
            Err(ProveError::Store(error)) => return Err(error.into()),
            Err(error @ ProveError::Absent(_)) => return Ok(Err(error)),
        }
        Ok(Ok(proofs))
    }
}

/// The proof of one item of a block that was just cut.
fn prove_in(cut: &Cut, index: u32, transaction: &Id) -> ItemProof {
    let listed = cut
        .listed
        .binary_search_by_key(&index, |(number, _)| *number);
    let named = listed.ok().map(|at| &cut.listed[at].1);
    let other = named.filter(|named| named.id() != *transaction);
    ItemProof {
        header: cut.block.header.clone(),
        item: cut.block.items[index as usize].clone(),
        index,
        path: cut.tree.path(index as usize),
        transaction: other.map(|other| Transaction::clone(other)),
    }
}

/// Records of the entries that a member holds.
pub(crate) fn records_for(
    membership: &Membership,
    member: usize,
    submission: &Submission,
) -> Vec<Bytes> {
    let entries = submission.transaction.entries().iter();
    let held = entries.filter(|entry| membership.holds(member, &entry.canonical));
    let ids = held.flat_map(|entry| {
        entry
            .insert
            .then_some(entry.canonical)
            .into_iter()
            .chain(entry.updates.iter().copied())
    });
    ids.filter_map(|id| submission.records.get(&id).cloned())
        .collect()
}
