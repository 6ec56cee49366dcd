//! The peer: its state and its one entry point, `handle`. Each input goes to one handler.

use std::sync::Arc;

use kittengrad_journal::{Blame, Store};
use kittengrad_overlay::{change::Change, view::View};
use kittengrad_plants::Plants;
use kittengrad_proto::{id::PublicKey, link::Message};

use crate::{
    audit::attest::Attested,
    birth::{life::Life, open::Opening, settle::Settling},
    catch_up::{
        arrive::{Arrival, Arriving},
        known::Known,
        read::Reading,
        serve::Serving,
        wants::Wants,
    },
    config::PeerConfig,
    io::{Fatal, Input, Now, Output},
    kept,
    partners::{
        Partners,
        greet::{Greeted, Greeting},
    },
    round::Round,
    scope::Scope,
    status::Status,
    write::{
        acks::{Acks, Ask},
        answer::Answering,
        confirm::Confirming,
        submit::Submitting,
    },
};

/// One member of one ring.
pub struct Peer {
    config: PeerConfig,
    plants: Plants,
    /// The rings in force.
    change: Change,
    life: Life,
    partners: Partners,
    /// Transactions that partners list and this peer lacks.
    wants: Wants,
    known: Known,
    /// Submissions that wait for their quorum.
    acks: Acks,
    round: Round,
    attested: Attested,
    /// The keys against which there is evidence.
    blame: Blame,
}

impl Peer {
    /// Makes a peer that starts from the data in `store`.
    ///
    /// # Errors
    /// If the store fails.
    pub fn new(config: PeerConfig, store: &dyn Store, now: Now) -> Result<Self, Fatal> {
        Self::planted(config, Plants::NONE, store, now)
    }

    /// Makes a peer like [`Peer::new`], with planted bugs.
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
            plants,
            change: Change::none(Arc::clone(&view)),
            life: Life::new(now.monotonic_ms, plants),
            partners: Partners::default(),
            wants: Wants::default(),
            known: Known::new(store)?,
            acks: Acks::default(),
            round: Round::default(),
            attested: Attested::default(),
            blame: Blame::load(store)?,
        };
        let late = kept::seen(peer.config.identity.key, view.overlay(), store)?;
        if let (Some(late), Some(starting)) = (late, peer.life.starting_mut()) {
            starting.remember(late.head());
        }
        peer.look(view, store)?;
        Ok(peer)
    }

    /// The state of this peer, with decisions of the current round.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.life, &self.partners, &self.wants, &self.acks)
    }

    /// Takes one input, reads the store, and adds the resulting messages, writes, replies and events to `out`.
    ///
    /// # Errors
    /// If the store fails, or a partner showed in an earlier round a head that this peer's disk lost. The driver then
    /// stops the process without a commit.
    pub fn handle(
        &mut self,
        now: Now,
        input: Input,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        if let Some(forgotten) = &mut self.life.forgotten {
            return forgotten.end(&input);
        }
        match input {
            Input::LinkUp(partner) => self.greeting(now, store, out).link_up(partner)?,
            Input::LinkDown(partner) => self.greeting(now, store, out).link_down(partner),
            Input::Message(from, message) => self.message(now, from, message, store, out)?,
            Input::Bodies {
                from,
                delivered,
                missing,
            } => self
                .reading(now, store, out)
                .bodies(from, &delivered, &missing),
            Input::Verified {
                from,
                delivery,
                id,
                outcome,
            } => {
                let arrival = Arrival { from, delivery, id };
                self.arriving(now, store, out).arrive(arrival, outcome)?;
            }
            Input::Submit {
                request,
                submission,
                chain,
                ack,
                receipt,
            } => {
                let ask = Ask::new(request, ack, receipt, now, self.config.timing);
                self.submitting(now, store, out)
                    .submit(ask, submission, chain)?;
            }
            Input::Evidence { by, evidence } => {
                self.greeting(now, store, out).shown(by, *evidence);
            }
            Input::View(view) => self.look(view, store)?,
            Input::Space(has_space) => self.life.has_space = has_space,
            Input::Tick => self.round.tick(),
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
        // Only partners get answers: any other member shares no cell with this peer.
        if self.partners.get(&from).is_none() {
            return Ok(());
        }
        match message {
            Message::Hello(hello) => {
                let greeted = self.greeting(now, store, out).hello(from, &hello)?;
                if greeted == Greeted::Opened {
                    self.confirming(now, store, out)
                        .push_again(from, hello.head);
                }
                if greeted != Greeted::Nothing {
                    self.reading(now, store, out).ask_for_blocks(from);
                }
            }
            Message::Alive(heartbeat) => {
                if self.greeting(now, store, out).alive(from, &heartbeat) {
                    self.reading(now, store, out).ask_for_blocks(from);
                }
            }
            Message::PushResult(result) => {
                self.confirming(now, store, out).push_result(from, result);
            }
            Message::Follow {
                incarnation,
                from_height,
            } => {
                self.serving(now, store, out)
                    .serve_blocks(from, incarnation, from_height)?;
            }
            Message::Fetch(ids) => self.serving(now, store, out).serve_bodies(from, &ids)?,
            Message::Frames(frames) => self.reading(now, store, out).frames(from, frames)?,
            // These come as `Verified` and `Bodies`, once the worker pool has verified them.
            Message::Push(_) | Message::Bodies { .. } => {}
        }
        Ok(())
    }

    /// Adopts a view: updates the partners and the held arcs.
    fn look(&mut self, view: Arc<View>, store: &dyn Store) -> Result<(), Fatal> {
        self.partners
            .look(&view, &mut self.wants, self.plants, store)?;
        self.life.hold(view.held_here());
        self.change = Change::none(view);
        Ok(())
    }

    /// Ends a round: cuts the last block, confirms its transactions, and sends the blocks to live readers.
    fn flush(&mut self, now: Now, store: &dyn Store, out: &mut Output) -> Result<(), Fatal> {
        self.opening(now, store, out).try_open()?;
        if self.partners.is_clock_right() {
            let arcs = self.change.newest().arcs_here();
            self.round
                .hold(&mut self.life, arcs, now.wall_ms, &mut out.writes);
        }
        self.settling(now, store, out).try_settle();
        self.round.cut(&mut self.life, now.wall_ms, &mut out.writes);
        let cuts = self.round.take_cuts();
        self.confirming(now, store, out).confirm_round(&cuts)?;
        self.serving(now, store, out).publish(&cuts);
        if self.round.take_news() {
            self.greeting(now, store, out).say_hello_to_all()?;
        }
        self.attested.attest(
            now.monotonic_ms,
            self.change.newest().ring_id(),
            &mut self.life,
            &self.partners,
            self.plants,
        );
        let is_ticked = self.round.take_tick();
        if is_ticked {
            self.answering(now, store, out).expire();
            self.greeting(now, store, out).say_alive();
        }
        if is_ticked || !out.writes.is_empty() {
            // Positions change with every block of a partner. They need no commit of their own.
            out.writes.extend(self.partners.take_positions(self.plants));
        }
        self.known.end_round();
        // The driver commits this round before it passes the next input.
        if let Some(journal) = self.life.journal_mut() {
            journal.committed();
        }
        let mut reading = self.reading(now, store, out);
        reading.fetch();
        reading.ask_all_for_blocks();
        Ok(())
    }
}

/// Makes the constructors of the handlers. Each handler borrows only the parts that its line names.
macro_rules! handlers {
    ($($name:ident: $Handler:ident { $($part:ident),* }),* $(,)?) => {
        impl Peer {
            $(fn $name<'a>(
                &'a mut self,
                now: Now,
                store: &'a dyn Store,
                out: &'a mut Output,
            ) -> $Handler<'a> {
                let scope = Scope {
                    now,
                    store,
                    change: &self.change,
                    config: &self.config,
                    plants: self.plants,
                };
                $Handler { scope, $($part: &mut self.$part,)* out }
            })*
        }
    };
}

handlers! {
    opening: Opening { life, partners, round },
    settling: Settling { life, partners, round },
    greeting: Greeting { life, partners, wants, blame },
    submitting: Submitting { life, partners, wants, known, acks, round },
    confirming: Confirming { partners, acks },
    answering: Answering { partners, acks },
    arriving: Arriving { life, partners, wants, known, acks, round },
    reading: Reading { life, partners, wants, known, blame },
    serving: Serving { partners },
}
