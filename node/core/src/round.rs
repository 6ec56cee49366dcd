//! The round: transactions are added, and at its end become blocks, confirmations and what others hear.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_journal::{self as journal, JournalError, Store, Write};
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::Bitmap,
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    link::{CHAIN_UNKNOWN, Message, PushResult},
    submission::Submission,
    transaction::Transaction,
};

use crate::{
    acks::Added,
    io::{Delivery, Event, Fatal, Now, Output, Refusal, Send, Unverified},
    kept,
    known::{records_of, shared},
    peer::{Peer, Phase},
};

/// A transaction that came from a partner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) from: PublicKey,
    pub(crate) delivery: Delivery,
    pub(crate) id: Id,
}

/// Why a transaction was not added.
pub(crate) enum AddError {
    /// The journal is not open yet.
    Starting,
    /// Its records are not all there.
    Refused(String),
    /// The store failed.
    Fatal(Fatal),
}

impl<E: Into<Fatal>> From<E> for AddError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

impl Peer {
    /// Ends a round: cuts the last block, confirms what it has, and sends it to those who follow.
    pub(crate) fn flush(
        &mut self,
        now: Now,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        self.try_open(now, store, out)?;
        self.try_settle(now, out);
        self.cut(now, out);
        let round = std::mem::take(&mut self.round);
        self.confirm(&round, store, out)?;
        self.publish(&round, out);
        if std::mem::take(&mut self.has_news) {
            self.say_hello_to_all(now, store, out)?;
        }
        let is_ticked = std::mem::take(&mut self.is_ticked);
        if is_ticked {
            self.expire_acks(now, out);
            self.say_alive(now, out);
        }
        if is_ticked || !out.writes.is_empty() {
            // They move with every block of others and are worth no commit of their own.
            out.writes.extend(self.take_positions());
        }
        self.known.end_round();
        // The driver commits this round before it hands anything else in.
        if let Phase::Open(journal) = &mut self.phase {
            journal.committed();
        }
        self.fetch(now, out);
        let partners: Vec<_> = self.links.keys().copied().collect();
        for partner in partners {
            self.ask_for_blocks(now, partner, out);
        }
        Ok(())
    }

    /// Where this peer is in others' journals and what it saw of them, as far as it changed.
    fn take_positions(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for (partner, link) in &mut self.links {
            let follower = link.following.take_dirty();
            writes.extend(follower.and_then(|follower| journal::keep_applied(&follower)));
            let seen = link.take_dirty_seen();
            let seen = seen.filter(|_| !self.plants.has(Plant::SeenNotKept));
            writes.extend(seen.map(|head| kept::keep_seen(*partner, head)));
        }
        writes
    }

    /// Cuts a block of what was added so far.
    pub(crate) fn cut(&mut self, now: Now, out: &mut Output) {
        if let Phase::Open(journal) = &mut self.phase
            && let Some(cut) = journal.cut(now.wall_ms, &mut out.writes)
        {
            self.round.push(cut);
        }
    }

    /// Adds the entries of a verified transaction that this peer holds and `takes` says yes to; if the block under
    /// construction is full, cuts it first.
    pub(crate) fn add(
        &mut self,
        now: Now,
        submission: &Submission,
        chain: &Chain,
        takes: impl Fn(&RecordId) -> bool,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<Added, AddError> {
        let bytes = submission.size_bytes();
        if self
            .journal()
            .is_some_and(|journal| !journal.has_room(bytes))
        {
            self.cut(now, out);
        }
        let view = &self.config.view;
        let Phase::Open(journal) = &mut self.phase else {
            return Err(AddError::Starting);
        };
        let takes = |canonical: &RecordId| view.holds_here(canonical) && takes(canonical);
        let added = journal
            .add(submission, takes, store)
            .map_err(|error| match error {
                JournalError::Store(error) => AddError::Fatal(error.into()),
                JournalError::MissingRecord(_) => AddError::Refused(error.to_string()),
            })?;
        let is_new = self.known.is_new_chain(chain.id()) && !self.plants.has(Plant::ChainNotKept);
        if is_new && store.chain(&chain.id())?.is_none() {
            let publisher = submission.transaction.publisher();
            out.writes.extend(journal::keep_chain(chain, publisher));
        }
        Ok(Added {
            bitmap: added.bitmap,
            created: added.created,
        })
    }

    /// All that this peer holds of a transaction is here.
    pub(crate) fn is_whole(&mut self, id: Id, added: &Bitmap, out: &mut Output) {
        out.writes.extend(self.known.whole(id, added.count() > 0));
        self.wants.resolve(&id);
        for link in self.links.values_mut() {
            link.following.resolve(&id, |_| true);
        }
    }

    /// A partner's transaction came back from verification.
    pub(crate) fn verified(
        &mut self,
        now: Now,
        arrival: Arrival,
        outcome: Result<(Submission, Arc<Chain>), Unverified>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        match arrival.delivery {
            Delivery::Push => self.pushed(now, arrival, outcome, store, out),
            Delivery::Body => self.fetched(now, arrival, outcome, store, out),
        }
    }

    fn pushed(
        &mut self,
        now: Now,
        Arrival { from, id, .. }: Arrival,
        outcome: Result<(Submission, Arc<Chain>), Unverified>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let refused = match outcome {
            Err(Unverified::ChainUnknown) => CHAIN_UNKNOWN.to_owned(),
            Err(Unverified::Refused(why) | Unverified::Failed(why)) => why,
            Ok(_) if !self.has_space() => Refusal::DiskFull.to_string(),
            Ok(_) if !self.is_clock_right() => self.why_clock(),
            Ok((submission, chain)) => {
                match self.add(now, &submission, &chain, |_| true, store, out) {
                    Ok(added) => {
                        self.is_whole(id, &added.bitmap, out);
                        let is_repeat = added.bitmap.count() == 0;
                        if !(is_repeat && self.plants.has(Plant::RepeatUnconfirmed)) {
                            self.acks.owe(from, submission.transaction);
                        }
                        return Ok(());
                    }
                    Err(AddError::Fatal(fatal)) => return Err(fatal),
                    Err(AddError::Starting) => self.why_starting(),
                    Err(AddError::Refused(why)) => why,
                }
            }
        };
        let outcome = Err(refused);
        out.sends.push(Send {
            to: from,
            message: Message::PushResult(PushResult { id, outcome }),
        });
        Ok(())
    }

    fn fetched(
        &mut self,
        now: Now,
        Arrival { from, id, .. }: Arrival,
        outcome: Result<(Submission, Arc<Chain>), Unverified>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let (submission, chain) = match outcome {
            Ok(verified) => verified,
            // It is fetched again, and every answer to a fetch brings the certificates.
            Err(Unverified::ChainUnknown | Unverified::Failed(_)) => return Ok(()),
            Err(Unverified::Refused(why)) => {
                self.refute(from, id, why, out);
                return Ok(());
            }
        };
        let transaction = &submission.transaction;
        let came: BTreeSet<_> = transaction
            .entries()
            .iter()
            .filter(|entry| records_of(entry).all(|id| submission.records.contains_key(&id)))
            .map(|entry| entry.canonical)
            .collect();
        let takes = |canonical: &RecordId| came.contains(canonical);
        let added = match self.add(now, &submission, &chain, takes, store, out) {
            Ok(added) => added,
            Err(AddError::Fatal(fatal)) => return Err(fatal),
            // It is fetched again.
            Err(AddError::Starting | AddError::Refused(_)) => return Ok(()),
        };
        let elements = transaction.elements();
        let rest: Vec<_> = elements
            .filter(|e| self.config.view.holds_here(&e.canonical) && !takes(&e.canonical))
            .collect();
        let is_whole = store.contains(&rest)?.into_iter().all(|is_here| is_here);
        if is_whole || self.plants.has(Plant::PartIsWhole) {
            self.is_whole(id, &added.bitmap, out);
            return Ok(());
        }
        self.is_part(from, transaction, &came, store, out)
    }

    /// A part of what this peer holds of a transaction is here: the entries in `came`, and what was here before.
    fn is_part(
        &mut self,
        from: PublicKey,
        transaction: &Transaction,
        came: &BTreeSet<RecordId>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let id = transaction.id();
        let write = self.known.part(id);
        out.writes
            .extend(write.filter(|_| !self.plants.has(Plant::PartNotKept)));
        let mut failed = None;
        for (partner, link) in &mut self.links {
            let is_over = link.following.resolve(&id, |added| {
                let mut elements = shared(transaction, added, &self.config.view);
                elements.retain(|element| !came.contains(&element.canonical));
                let here = store.contains(&elements);
                here.map_or_else(
                    |error| {
                        failed = Some(error);
                        false
                    },
                    |here| here.into_iter().all(|is_here| is_here),
                )
            });
            match is_over {
                Some(true) => self.wants.drop_source(&id, partner),
                Some(false) if *partner == from && self.wants.is_unable(&id, partner) => {
                    out.events.push(Event::Unavailable(id));
                }
                _ => {}
            }
        }
        self.wants.retry(&id);
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A partner sent, in answer to a fetch, what no replica admits: nothing that its journal lists is believed any
    /// more. If the transaction itself is sound, others have it too.
    fn refute(&mut self, from: PublicKey, id: Id, why: String, out: &mut Output) {
        if let Some(link) = self.links.get_mut(&from) {
            link.following.quarantine();
        }
        if self.wants.is_unable(&id, &from) {
            out.events.push(Event::Unavailable(id));
        }
        out.events.push(Event::Invalid {
            peer: from,
            id,
            why,
        });
    }
}
