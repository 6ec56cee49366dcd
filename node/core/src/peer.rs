//! The peer: its state, its one verb, and the round that ends in a block.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_journal::{self as journal, Cut, Journal, JournalError, Store, Tip, Write};
use kittengrad_proto::{
    block::{Head, Item},
    certificate::Chain,
    id::{Id, PublicKey},
    identity::{Heartbeat, Identity},
    link::{Hello, Message, PushResult},
    signed::{Signer, Verifier},
    submission::Submission,
};

use crate::{
    acks::{Acks, Added},
    fetch::Wants,
    follow::Following,
    io::{Delivery, Event, Fatal, Input, Now, Output, Send, Timing},
    link::{Heard, Link},
    membership::Membership,
    settle::Filling,
    start::{Opening, Starting},
};

/// State row: the incarnation in which everything was settled, 8 bytes big-endian after a version byte.
const SETTLED_KEY: &[u8] = b"\x10settled";

/// Everything that a peer is given.
pub struct PeerConfig {
    /// The ring and this peer's place in it.
    pub membership: Membership,
    /// What this peer tells others of itself.
    pub identity: Identity,
    /// Signs blocks and heartbeats.
    pub signer: Arc<dyn Signer>,
    /// Verifies others' blocks.
    pub verifier: Arc<dyn Verifier>,
    /// How long to wait for what.
    pub timing: Timing,
}

/// Where the peer is in its life.
enum Phase {
    /// It waits for what others saw of it.
    Starting(Starting),
    /// It signs.
    Open(Box<Journal>),
}

/// One member of one ring.
pub struct Peer {
    pub(crate) config: PeerConfig,
    phase: Phase,
    /// `None` once settled.
    filling: Option<Filling>,
    pub(crate) links: BTreeMap<PublicKey, Link>,
    pub(crate) wants: Wants,
    pub(crate) acks: Acks,
    /// Blocks cut in this round, and not committed before it ends.
    pub(crate) round: Vec<Cut>,
    /// Transactions applied in this round.
    applied: BTreeSet<Id>,
    has_space: bool,
}

/// What a peer shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The last block; `None` before the first.
    pub tip: Option<Tip>,
    /// It signs.
    pub is_open: bool,
    /// It has everything that its arc ever had.
    pub is_settled: bool,
    /// Transactions that others list and this peer lacks.
    pub missing: usize,
    /// Submissions that wait for their quorum.
    pub waiting: usize,
    /// Its partners.
    pub partners: Vec<(PublicKey, StatusOf)>,
}

/// What a peer knows of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusOf {
    /// The link is up and the partner said hello.
    pub is_up: bool,
    /// It signs.
    pub is_open: bool,
    /// It has everything that its arc ever had.
    pub is_settled: bool,
    /// The highest head of it that was seen here.
    pub head: Option<Head>,
    /// How far its journal is applied here.
    pub applied: Option<Head>,
}

impl Peer {
    /// A peer that starts with what `store` has.
    ///
    /// # Errors
    /// If the store fails.
    pub fn new(config: PeerConfig, store: &dyn Store, now: Now) -> Result<Self, Fatal> {
        let mut links = BTreeMap::new();
        for partner in config.membership.partners() {
            let following = Following::new(partner, journal::applied(store, partner)?);
            links.insert(partner, Link::new(following));
        }
        Ok(Self {
            config,
            phase: Phase::Starting(Starting::new(now.monotonic_ms)),
            filling: Some(Filling::default()),
            links,
            wants: Wants::default(),
            acks: Acks::default(),
            round: Vec::new(),
            applied: BTreeSet::new(),
            has_space: true,
        })
    }

    /// The one verb: takes one input, reads the store, and adds what follows to `out`.
    ///
    /// # Errors
    /// If the store fails: the driver stops the process without committing.
    pub fn handle(
        &mut self,
        now: Now,
        input: Input,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        match input {
            Input::LinkUp(partner) => self.link_up(partner, store, out)?,
            Input::LinkDown(partner) => self.link_down(partner),
            Input::Message(from, message) => self.message(now, from, message, store, out)?,
            Input::Bodies {
                from,
                delivered,
                missing,
            } => {
                let gone = self
                    .wants
                    .answered(from, &delivered, &missing, now.monotonic_ms);
                out.events.extend(gone.into_iter().map(Event::Unavailable));
            }
            Input::Verified {
                from,
                delivery,
                id,
                outcome,
            } => {
                self.verified(now, from, delivery, id, outcome, store, out)?;
            }
            Input::Submit {
                request,
                submission,
                chain,
                ack,
                receipt,
            } => {
                let ask = crate::acks::Ask {
                    request,
                    ack,
                    receipt,
                };
                self.submit(now, ask, submission, chain, store, out)?;
            }
            Input::Space(has_space) => self.has_space = has_space,
            Input::Tick => self.tick(now, out),
            Input::Flush => self.flush(now, store, out)?,
        }
        Ok(())
    }

    /// What this peer shows of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let partner = |(key, link): (&PublicKey, &Link)| {
            let hello = link.hello;
            let status = StatusOf {
                is_up: hello.is_some(),
                is_open: hello.is_some_and(|hello| hello.is_open),
                is_settled: hello.is_some_and(|hello| hello.is_settled),
                head: link.seen,
                applied: link.following.applied_head(),
            };
            (*key, status)
        };
        Status {
            tip: self.journal().and_then(Journal::tip),
            is_open: self.journal().is_some(),
            is_settled: self.is_settled(),
            missing: self.wants.len(),
            waiting: self.acks.len(),
            partners: self.links.iter().map(partner).collect(),
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.filling.is_none()
    }

    pub(crate) const fn has_space(&self) -> bool {
        self.has_space
    }

    pub(crate) fn journal(&self) -> Option<&Journal> {
        match &self.phase {
            Phase::Open(journal) => Some(journal),
            Phase::Starting(_) => None,
        }
    }

    /// Why nothing can be submitted yet.
    pub(crate) fn why_starting(&self) -> String {
        match &self.phase {
            Phase::Open(_) => String::new(),
            Phase::Starting(starting) => format!(
                "{} of {} partners said what they saw of it",
                starting.answered(),
                self.links.len()
            ),
        }
    }

    fn message(
        &mut self,
        now: Now,
        from: PublicKey,
        message: Message,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        if !self.links.contains_key(&from) {
            return Ok(());
        }
        match message {
            Message::Hello(hello) => self.hello(now, from, &hello, store, out)?,
            Message::PushResult(result) => self.push_result(from, result, out),
            Message::Follow {
                incarnation,
                from_height,
            } => {
                self.serve_blocks(from, incarnation, from_height, store, out)?;
            }
            Message::Fetch(ids) => self.serve_bodies(from, &ids, store, out)?,
            Message::Frames(frames) => self.frames(now, from, frames, store, out)?,
            Message::Alive(heartbeat) => self.alive(from, &heartbeat, out),
            // The edge verifies these first and hands them in as other inputs.
            Message::Push(_) | Message::Bodies { .. } => {}
        }
        Ok(())
    }

    fn link_up(
        &mut self,
        partner: PublicKey,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        if let Some(link) = self.links.get_mut(&partner) {
            link.went_down();
            link.is_up = true;
            self.wants.lost(partner);
            self.say_hello(partner, store, out)?;
        }
        Ok(())
    }

    fn link_down(&mut self, partner: PublicKey) {
        if let Some(link) = self.links.get_mut(&partner) {
            link.went_down();
            self.wants.lost(partner);
        }
    }

    fn say_hello(
        &self,
        partner: PublicKey,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let head = match self.journal() {
            Some(journal) => journal.tip().map(|tip| tip.head),
            None => store.head()?,
        };
        let hello = Hello {
            ring: self.config.membership.id(),
            head,
            seen: self.links.get(&partner).and_then(|link| link.seen),
            is_settled: self.is_settled(),
            is_open: self.journal().is_some(),
            identity: self.config.identity.clone(),
        };
        out.sends.push(Send {
            to: partner,
            message: Message::Hello(Box::new(hello)),
        });
        Ok(())
    }

    /// Says hello again to everybody who is connected, because something in it changed.
    fn say_hello_to_all(&self, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        for (partner, _) in self.links.iter().filter(|(_, link)| link.is_up) {
            self.say_hello(*partner, store, out)?;
        }
        Ok(())
    }

    fn hello(
        &mut self,
        now: Now,
        from: PublicKey,
        hello: &Hello,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        if hello.identity.key != from || hello.ring != self.config.membership.id() {
            let why = "its hello names another key or ring".to_owned();
            out.events.push(Event::Misbehaved { peer: from, why });
            return Ok(());
        }
        let is_first = link.hello.is_none();
        link.hello = Some(Heard {
            is_settled: hello.is_settled,
            is_open: hello.is_open,
        });
        link.chain = Some(hello.identity.chain.clone());
        if let Some(head) = hello.head {
            link.saw(head);
        }
        if let Some(filling) = &mut self.filling {
            filling.heard(from, hello.head);
        }
        if let Phase::Starting(starting) = &mut self.phase {
            starting.answer(from, hello.seen);
        }
        self.try_open(now, store, out)?;
        if is_first {
            self.push_again(from, out);
        }
        self.ask_for_blocks(from, out);
        Ok(())
    }

    fn alive(&mut self, from: PublicKey, heartbeat: &Heartbeat, out: &mut Output) {
        if heartbeat.peer != from || heartbeat.verify(&*self.config.verifier).is_err() {
            let why = "its heartbeat is not its own".to_owned();
            out.events.push(Event::Misbehaved { peer: from, why });
        } else if let Some(link) = self.links.get_mut(&from) {
            link.saw(heartbeat.head);
        }
    }

    /// Opens the journal once the start rule allows it.
    fn try_open(&mut self, now: Now, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        let Phase::Starting(starting) = &self.phase else {
            return Ok(());
        };
        let ring = self.config.membership.ring();
        let needed = (ring.replication().quorum() - 1).min(self.links.len());
        let suspicion_ms = self.config.timing.suspicion_ms;
        if !starting.is_satisfied(self.links.len(), needed, now.monotonic_ms, suspicion_ms) {
            return Ok(());
        }
        let opening = starting.decide(store, self.config.membership.held(), now.wall_ms)?;
        let overlay = self.config.membership.overlay().clone();
        let signer = Arc::clone(&self.config.signer);
        let (journal, began_after) = match opening {
            Opening::Begin {
                incarnation,
                fork,
                seen,
                items,
            } => (
                Journal::open(overlay, signer, incarnation, fork, &items),
                Some(seen.or(fork)),
            ),
            Opening::Resume => match Journal::resume(overlay, signer, store)? {
                Some(journal) => (journal, None),
                None => return Ok(()),
            },
        };
        let incarnation = journal.incarnation();
        if self.was_settled(incarnation, store)? {
            self.filling = None;
        }
        self.phase = Phase::Open(Box::new(journal));
        out.events.push(Event::Opened {
            incarnation,
            began_after,
        });
        self.say_hello_to_all(store, out)
    }

    fn was_settled(&self, incarnation: u64, store: &dyn Store) -> Result<bool, Fatal> {
        let kept = store.state(SETTLED_KEY)?;
        Ok(kept.is_some_and(|kept| kept[..] == settled_value(incarnation)))
    }

    /// Notes that everything is here, once it is.
    fn try_settle(&mut self, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        let (Some(filling), Phase::Open(journal)) = (&self.filling, &mut self.phase) else {
            return Ok(());
        };
        let settled: BTreeSet<_> = self
            .links
            .iter()
            .filter(|(_, link)| link.hello.is_some_and(|hello| hello.is_settled))
            .map(|(key, _)| *key)
            .collect();
        let links = &self.links;
        let has_reached = |key: &PublicKey, target: Head| {
            links
                .get(key)
                .is_some_and(|link| link.following.has_reached(target))
        };
        let membership = &self.config.membership;
        if filling.is_done(membership, &settled, has_reached) {
            journal.note(&Item::Settled(membership.held()));
            let value = settled_value(journal.incarnation());
            journal.keep(Write::State(SETTLED_KEY.into(), value.to_vec().into()));
            self.filling = None;
            out.events.push(Event::Settled);
            self.say_hello_to_all(store, out)?;
        }
        Ok(())
    }

    fn tick(&mut self, now: Now, out: &mut Output) {
        let timing = self.config.timing;
        self.wants.release(now.monotonic_ms, timing.fetch_ms);
        self.expire_acks(now, out);
        let Some(tip) = self.journal().and_then(Journal::tip) else {
            return;
        };
        let overlay = self.config.membership.overlay();
        let heartbeat = Heartbeat::sign(
            overlay,
            tip.head,
            now.wall_ms.max(tip.time_ms),
            &*self.config.signer,
        );
        for (partner, _) in self.links.iter().filter(|(_, link)| link.hello.is_some()) {
            out.sends.push(Send {
                to: *partner,
                message: Message::Alive(heartbeat.clone()),
            });
        }
        // Positions that nothing else carried to the disk.
        out.writes.extend(self.take_positions());
    }

    /// Positions in others' journals that moved since they were last kept.
    fn take_positions(&mut self) -> Vec<Write> {
        let positions = self
            .links
            .values_mut()
            .filter_map(|link| link.following.take_dirty());
        positions
            .filter_map(|follower| journal::keep_applied(&follower))
            .collect()
    }

    /// Ends a round: cuts the last block, confirms what it has, and sends it to those who follow.
    fn flush(&mut self, now: Now, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        self.try_open(now, store, out)?;
        self.try_settle(store, out)?;
        self.cut(now, out);
        if !out.writes.is_empty() {
            out.writes.extend(self.take_positions());
        }
        let round = std::mem::take(&mut self.round);
        self.confirm(&round, store, out)?;
        self.publish(&round, out);
        self.applied.clear();
        // The driver commits this round before it hands anything else in.
        if let Phase::Open(journal) = &mut self.phase {
            journal.committed();
        }
        let timing = self.config.timing;
        for (partner, ids) in self.wants.due(now.monotonic_ms, timing.fetch_ms) {
            out.forwards.push(Send {
                to: partner,
                message: Message::Fetch(ids),
            });
        }
        let partners: Vec<_> = self.links.keys().copied().collect();
        for partner in partners {
            self.ask_for_blocks(partner, out);
        }
        Ok(())
    }

    /// Cuts a block of what was added so far.
    fn cut(&mut self, now: Now, out: &mut Output) {
        if let Phase::Open(journal) = &mut self.phase
            && let Some(cut) = journal.cut(now.wall_ms, &mut out.writes)
        {
            self.round.push(cut);
        }
    }

    /// Adds a verified transaction to the block under construction, cutting one first if it is full.
    pub(crate) fn add(
        &mut self,
        now: Now,
        submission: &Submission,
        chain: &Chain,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<Added, AddError> {
        if self
            .journal()
            .is_some_and(|journal| !journal.has_room(submission.size_bytes()))
        {
            self.cut(now, out);
        }
        let membership = &self.config.membership;
        let Phase::Open(journal) = &mut self.phase else {
            return Err(AddError::Starting);
        };
        let added = journal
            .add(
                submission,
                |canonical| membership.holds_here(canonical),
                store,
            )
            .map_err(|error| match error {
                JournalError::Store(error) => AddError::Fatal(error.into()),
                JournalError::MissingRecord(_) => AddError::Refused(error.to_string()),
            })?;
        let id = submission.transaction.id();
        self.applied.insert(id);
        if store
            .chain(&chain.id())
            .map_err(|e| AddError::Fatal(e.into()))?
            .is_none()
        {
            out.writes.extend(journal::keep_chain(
                chain,
                submission.transaction.publisher(),
            ));
        }
        self.resolve(&id);
        Ok(Added {
            bitmap: added.bitmap,
            created: added.created,
        })
    }

    /// A missing transaction is here, or never will be.
    pub(crate) fn resolve(&mut self, id: &Id) {
        self.wants.resolve(id);
        for link in self.links.values_mut() {
            link.following.resolve(id);
        }
    }

    /// Which of these transactions are not here.
    pub(crate) fn lacking(&self, ids: &[Id], store: &dyn Store) -> Result<Vec<Id>, Fatal> {
        let here = store.has_transactions(ids)?;
        let lacks = |(id, here): (&Id, bool)| (!here && !self.applied.contains(id)).then_some(*id);
        Ok(ids.iter().zip(here).filter_map(lacks).collect())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one input's fields, two clocks, store and output"
    )]
    fn verified(
        &mut self,
        now: Now,
        from: PublicKey,
        delivery: Delivery,
        id: Id,
        outcome: Result<(Submission, Arc<Chain>), String>,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let refused = match outcome {
            Ok((submission, chain)) => match self.add(now, &submission, &chain, store, out) {
                Ok(_) => {
                    if delivery == Delivery::Push {
                        self.acks.owe(from, Arc::clone(&submission.transaction));
                    }
                    return Ok(());
                }
                Err(AddError::Fatal(fatal)) => return Err(fatal),
                Err(AddError::Starting) => self.why_starting(),
                Err(AddError::Refused(why)) => why,
            },
            Err(why) => {
                if delivery == Delivery::Body {
                    out.events.push(Event::Invalid {
                        peer: from,
                        id,
                        why: why.clone(),
                    });
                    // Every replica refuses it for ever, so nobody waits for it.
                    self.resolve(&id);
                }
                why
            }
        };
        if delivery == Delivery::Push {
            out.sends.push(Send {
                to: from,
                message: Message::PushResult(PushResult {
                    id,
                    outcome: Err(refused),
                }),
            });
        }
        Ok(())
    }
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

fn settled_value(incarnation: u64) -> [u8; 9] {
    let mut value = [1; 9];
    value[1..].copy_from_slice(&incarnation.to_be_bytes());
    value
}
