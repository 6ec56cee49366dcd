//! Reading partners: asking for their blocks, and for listed transactions that this peer lacks.

use kittengrad_journal::Blame;
use kittengrad_proto::{
    evidence::Evidence,
    id::{Id, PublicKey},
    link::{Frames, Message},
};

use crate::{
    audit::convict::convict,
    birth::life::Life,
    catch_up::{
        known::{Known, Refuted},
        wants::Wants,
    },
    io::{Event, Fatal, Outbound, Output, misbehaved},
    partners::Partners,
    scope::Scope,
};

/// Reads partners' journals.
pub(crate) struct Reading<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a Life,
    pub(crate) partners: &'a mut Partners,
    pub(crate) wants: &'a mut Wants,
    pub(crate) known: &'a Known,
    pub(crate) blame: &'a mut Blame,
    pub(crate) out: &'a mut Output,
}

impl Reading<'_> {
    /// Asks every partner for the next blocks of its journal, if a request is due.
    pub(crate) fn ask_all_for_blocks(&mut self) {
        for partner in self.partners.keys() {
            self.ask_for_blocks(partner);
        }
    }

    /// Asks a partner for the next blocks of its journal, if a request is due and its hello came.
    pub(crate) fn ask_for_blocks(&mut self, partner: PublicKey) {
        let now_ms = self.scope.now.monotonic_ms;
        let patience_ms = self.scope.config.timing.fetch_ms;
        let link = self.partners.get_mut(&partner);
        let Some(link) = link.filter(|link| link.hello.is_some()) else {
            return;
        };
        if let Some(ask) = link.following.ask(now_ms, patience_ms) {
            let message = Message::Follow {
                incarnation: ask.incarnation,
                from_height: ask.from_height,
            };
            self.out.forwards.push(Outbound {
                to: partner,
                message,
            });
        }
    }

    /// Takes blocks of a partner's journal.
    pub(crate) fn frames(&mut self, from: PublicKey, frames: Frames) -> Result<(), Fatal> {
        let Scope { store, config, .. } = self.scope;
        let Some(link) = self.partners.get_mut(&from) else {
            return Ok(());
        };
        let is_answer = link.following.is_answered_by(&frames);
        // A transaction in a live journal was probably pushed to this peer as well.
        let grace_ms = if link.following.is_live() {
            config.timing.push_grace_ms
        } else {
            0
        };
        let not_before_ms = self.scope.now.monotonic_ms.saturating_add(grace_ms);
        let mut accepted = 0;
        for block in frames.blocks {
            let verifier = &*config.verifier;
            let listed = match link.following.accept(&block, is_answer, verifier) {
                Ok(Some(listed)) => listed,
                Ok(None) => continue,
                Err(error) => {
                    let evidence = link.following.reader().accuse(&block, &error);
                    self.out.events.push(misbehaved(from, error));
                    self.convict(from, evidence);
                    break;
                }
            };
            accepted += 1;
            link.saw_header(&block.header);
            let missing = match self.known.lacking(listed, self.scope.view(), store)? {
                Ok(missing) => missing,
                Err(Refuted { what, transaction }) => {
                    let reader = link.following.reader();
                    let evidence = reader.accuse_of_transaction(&block, &transaction);
                    link.following.refuse_last();
                    self.out.events.push(misbehaved(from, what));
                    self.convict(from, evidence);
                    break;
                }
            };
            for listed in &missing {
                self.wants.add(listed.id, from, not_before_ms);
            }
            link.following.wait_for(missing);
        }
        if let Some(link) = self.partners.get_mut(&from) {
            link.following.took(frames.head, is_answer, accepted);
        }
        self.ask_for_blocks(from);
        Ok(())
    }

    /// Keeps evidence against a partner that its own blocks showed.
    fn convict(&mut self, by: PublicKey, evidence: Option<Evidence>) {
        if let Some(evidence) = evidence {
            convict(self.scope, self.blame, by, evidence, self.out);
        }
    }

    /// Takes a partner's answer to a fetch.
    pub(crate) fn bodies(&mut self, from: PublicKey, delivered: &[Id], missing: &[Id]) {
        let fetch_ms = self.scope.config.timing.fetch_ms;
        let until_ms = self.scope.now.monotonic_ms.saturating_add(fetch_ms);
        let gone = self.wants.answered(from, delivered, missing, until_ms);
        let gone = gone.into_iter().map(Event::Unavailable);
        self.out.events.extend(gone);
    }

    /// Sends the fetches that are due, if the journal is open, the disk has space and the clock is right.
    pub(crate) fn fetch(&mut self) {
        let is_open = self.life.journal().is_some();
        if !is_open || !self.life.has_space || !self.partners.is_clock_right() {
            return;
        }
        let now_ms = self.scope.now.monotonic_ms;
        let due = self.wants.due(now_ms, self.scope.config.timing.fetch_ms);
        self.out
            .forwards
            .extend(due.into_iter().map(|(to, ids)| Outbound {
                to,
                message: Message::Fetch(ids),
            }));
    }
}
