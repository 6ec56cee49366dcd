//! Taking a client's transaction: add it, push it to the other replicas, and wait for its quorum; or refuse it.

use std::sync::Arc;

use kittengrad_proto::{certificate::Chain, submission::Submission};

use crate::{
    birth::life::Life,
    catch_up::{known::Known, resolve::Resolving, wants::Wants},
    io::{Fatal, Output, Refusal},
    partners::Partners,
    round::Round,
    scope::Scope,
    write::{
        acks::{Acks, Ask, Joined, Waiting},
        add::{AddError, Adding},
        answer::refuse,
        push::Pushing,
    },
};

/// Takes submissions.
pub(crate) struct Submitting<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a mut Partners,
    pub(crate) wants: &'a mut Wants,
    pub(crate) known: &'a mut Known,
    pub(crate) acks: &'a mut Acks,
    pub(crate) round: &'a mut Round,
    pub(crate) out: &'a mut Output,
}

impl Submitting<'_> {
    /// Takes a submission, or replies with the refusal.
    pub(crate) fn submit(
        &mut self,
        ask: Ask,
        submission: Submission,
        chain: Arc<Chain>,
    ) -> Result<(), Fatal> {
        let outcome = match self.join(ask, &submission) {
            Some(outcome) => outcome,
            None => match self.why_refused(&submission)? {
                Some(refusal) => Err(refusal),
                None => self.take(ask, submission, chain)?,
            },
        };
        if let Err(refusal) = outcome {
            refuse(ask, refusal, self.out);
        }
        Ok(())
    }

    /// Lets a request wait with others for the same transaction, and pushes the transaction again, because
    /// confirmations before the request do not count. `None` if no request waits for that transaction.
    fn join(&mut self, ask: Ask, submission: &Submission) -> Option<Result<(), Refusal>> {
        let id = submission.transaction.id();
        match self.acks.join(id, ask, self.scope.plants)? {
            Joined::Full => Some(Err(Refusal::Overloaded)),
            Joined::Waits(waiting) => {
                let mut pushing = Pushing {
                    scope: self.scope,
                    partners: self.partners,
                    out: self.out,
                };
                pushing.push_to_all(waiting);
                Some(Ok(()))
            }
        }
    }

    /// Makes the checks that only a coordinator makes: journal, disk, clock, room, held canonicals, and that the
    /// canonical of each update exists.
    fn why_refused(&self, submission: &Submission) -> Result<Option<Refusal>, Fatal> {
        let Some(journal) = self.life.journal() else {
            return Ok(Some(self.starting()));
        };
        if !self.life.has_space {
            return Ok(Some(Refusal::DiskFull));
        }
        if !self.partners.is_clock_right() {
            return Ok(Some(Refusal::Clock(self.partners.why_clock())));
        }
        if self.acks.is_full() {
            return Ok(Some(Refusal::Overloaded));
        }
        for entry in submission.transaction.entries() {
            if !self.scope.view().holds_here(&entry.canonical) {
                return Ok(Some(Refusal::NotResponsible(entry.canonical)));
            }
            if !entry.insert && !journal.knows(entry.canonical, self.scope.store)? {
                return Ok(Some(Refusal::UnknownCanonical(entry.canonical)));
            }
        }
        Ok(None)
    }

    fn starting(&self) -> Refusal {
        Refusal::Starting(self.life.why_starting(self.partners))
    }

    /// Adds a submission, pushes it, and makes it wait for its quorum.
    fn take(
        &mut self,
        ask: Ask,
        submission: Submission,
        chain: Arc<Chain>,
    ) -> Result<Result<(), Refusal>, Fatal> {
        let mut adding = Adding {
            scope: self.scope,
            life: self.life,
            known: self.known,
            round: self.round,
            out: self.out,
        };
        let added = match adding.add(&submission, &chain, |_| true) {
            Ok(added) => added,
            Err(AddError::Fatal(fatal)) => return Err(fatal),
            Err(AddError::Starting) => return Ok(Err(self.starting())),
            Err(AddError::Refused(why)) => return Ok(Err(Refusal::Internal(why))),
        };
        let id = submission.transaction.id();
        let mut resolving = Resolving {
            scope: self.scope,
            partners: self.partners,
            wants: self.wants,
            known: self.known,
            out: self.out,
        };
        resolving.mark_whole(&submission.transaction, &added.bitmap);
        let added = self.acks.first_added(&id).unwrap_or(added);
        let entries = submission.transaction.entries().iter();
        let cells = entries
            .map(|entry| self.scope.view().cell_of(&entry.canonical))
            .collect();
        let waiting = Waiting::new(ask, submission, chain, added, cells);
        let mut pushing = Pushing {
            scope: self.scope,
            partners: self.partners,
            out: self.out,
        };
        pushing.push_to_all(&waiting);
        self.acks.begin(waiting);
        Ok(Ok(()))
    }
}
