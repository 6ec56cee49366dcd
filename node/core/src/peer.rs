//! The peer: its state and its one verb.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_journal::{self as journal, Cut, Journal, Store};
use kittengrad_overlay::{change::Change, view::View};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    id::PublicKey,
    identity::Identity,
    link::Message,
    signed::{Signer, Verifier},
};

use crate::{
    acks::{Acks, Ask},
    fetch::Wants,
    follow::Following,
    io::{Event, Fatal, Input, Now, Output, Timing},
    kept,
    known::Known,
    link::Link,
    round::Arrival,
    settle::Filling,
    start::Starting,
};

/// Everything that a peer is given.
pub struct PeerConfig {
    /// The ring as this peer sees it: it is a member of it.
    pub view: Arc<View>,
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
pub(crate) enum Phase {
    /// It waits for what others saw of it.
    Starting(Starting),
    /// It signs.
    Open(Box<Journal>),
}

/// One member of one ring.
pub struct Peer {
    pub(crate) config: PeerConfig,
    pub(crate) phase: Phase,
    /// `None` once settled.
    pub(crate) filling: Option<Filling>,
    pub(crate) links: BTreeMap<PublicKey, Link>,
    pub(crate) wants: Wants,
    pub(crate) known: Known,
    pub(crate) acks: Acks,
    /// Blocks cut in this round, and not committed before it ends.
    pub(crate) round: Vec<Cut>,
    /// What this peer says of itself changed in this round: its partners hear of it at the end.
    pub(crate) has_news: bool,
    /// Time went by in this round.
    pub(crate) is_ticked: bool,
    has_space: bool,
    pub(crate) plants: Plants,
}

impl Peer {
    /// A peer that starts with what `store` has.
    ///
    /// # Errors
    /// If the store fails.
    pub fn new(config: PeerConfig, store: &dyn Store, now: Now) -> Result<Self, Fatal> {
        Self::planted(config, Plants::NONE, store, now)
    }

    /// The same, with planted bugs.
    ///
    /// # Errors
    /// If the store fails.
    pub fn planted(
        config: PeerConfig,
        plants: Plants,
        store: &dyn Store,
        now: Now,
    ) -> Result<Self, Fatal> {
        let view = Arc::clone(&config.view);
        let mut peer = Self {
            config,
            phase: Phase::Starting(Starting::new(now.monotonic_ms, plants)),
            filling: Some(Filling::default()),
            links: BTreeMap::new(),
            wants: Wants::default(),
            known: Known::new(store)?,
            acks: Acks::default(),
            round: Vec::new(),
            has_news: false,
            is_ticked: false,
            has_space: true,
            plants,
        };
        peer.look(view, store)?;
        Ok(peer)
    }

    /// Goes by another view from now on: partners that are new to this peer get a link, those that went lose theirs.
    fn look(&mut self, view: Arc<View>, store: &dyn Store) -> Result<(), Fatal> {
        let partners: BTreeSet<_> = view.partners().into_iter().collect();
        let gone: Vec<_> = self.links.keys().copied().collect();
        for partner in gone.iter().filter(|partner| !partners.contains(partner)) {
            self.link_down(*partner);
            self.links.remove(partner);
        }
        for partner in partners {
            if !self.links.contains_key(&partner) {
                let applied = journal::applied(store, partner)?;
                let following = Following::new(partner, applied, self.plants);
                let seen = kept::seen(partner, view.overlay(), store)?;
                self.links.insert(partner, Link::new(following, seen));
            }
        }
        self.config.view = view;
        Ok(())
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
            Input::LinkUp(partner) => self.link_up(now, partner, store, out)?,
            Input::LinkDown(partner) => self.link_down(partner),
            Input::Message(from, message) => self.message(now, from, message, store, out)?,
            Input::Bodies {
                from,
                delivered,
                missing,
            } => self.bodies(now, from, &delivered, &missing, out),
            Input::Verified {
                from,
                delivery,
                id,
                outcome,
            } => {
                let arrival = Arrival { from, delivery, id };
                self.verified(now, arrival, outcome, store, out)?;
            }
            Input::Submit {
                request,
                submission,
                chain,
                ack,
                receipt,
            } => {
                let ask = Ask::new(request, ack, receipt, now, self.config.timing);
                self.submit(now, ask, submission, chain, store, out)?;
            }
            Input::View(view) => self.look(view, store)?,
            Input::Space(has_space) => self.has_space = has_space,
            Input::Tick => self.is_ticked = true,
            Input::Flush => self.flush(now, store, out)?,
        }
        Ok(())
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
            Message::Alive(heartbeat) => self.alive(now, from, &heartbeat, out),
            // The edge verifies these first and hands them in as other inputs.
            Message::Push(_) | Message::Bodies { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.filling.is_none() || self.plants.has(Plant::AnswerWhileFilling)
    }

    /// Whether the disk takes more than what keeps the peer itself going.
    pub(crate) const fn has_space(&self) -> bool {
        self.has_space
    }

    /// This peer's key.
    pub(crate) fn me(&self) -> PublicKey {
        self.config.identity.key
    }

    /// The rings in force.
    pub(crate) fn change(&self) -> Change {
        Change::none(Arc::clone(&self.config.view))
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
            Phase::Starting(_) if !self.is_clock_right() => self.why_clock(),
            Phase::Starting(starting) => format!(
                "{} of {} partners said what they saw of it",
                starting.answered(),
                self.links.len()
            ),
        }
    }
}

/// A partner broke the rules.
pub(crate) fn misbehaved(peer: PublicKey, why: impl ToString) -> Event {
    Event::Misbehaved {
        peer,
        why: why.to_string(),
    }
}
