//! Opening the journal as soon as the start rule allows it.

use std::sync::Arc;

use kittengrad_journal::{Fork, Journal};

use crate::{
    birth::{life::Life, start::Decision},
    io::{Event, Fatal, Output},
    kept,
    partners::Partners,
    round::Round,
    scope::Scope,
};

/// Opens the journal of a starting peer.
pub(crate) struct Opening<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a Partners,
    pub(crate) round: &'a mut Round,
    pub(crate) out: &'a mut Output,
}

impl Opening<'_> {
    /// Opens the journal if enough partners answered and the clock is right.
    pub(crate) fn try_open(self) -> Result<(), Fatal> {
        let Some(decision) = self.decide()? else {
            return Ok(());
        };
        let Scope {
            config,
            plants,
            store,
            ..
        } = self.scope;
        let overlay = self.scope.view().overlay().clone();
        let signer = Arc::clone(&config.signer);
        let holds = self.scope.view().arcs_here().clone();
        let (journal, began_after) = match decision {
            Decision::Begin {
                incarnation,
                fork,
                seen,
                items,
            } => {
                let began_after = Some(seen.or(fork));
                let fork = fork.map(|head| Fork::from(head, store)).transpose()?;
                let journal = Journal::open(overlay, signer, incarnation, fork, holds, &items);
                (journal, began_after)
            }
            Decision::Resume => match Journal::resume(overlay, signer, store)? {
                Some(journal) => (journal, None),
                None => return Ok(()),
            },
        };
        let incarnation = journal.incarnation();
        let settled = kept::settled(incarnation, self.life.held(), plants, store)?;
        self.life.settle(settled);
        self.life.open(journal.planted(plants));
        self.round.tell_partners();
        self.out.events.push(Event::Opened {
            incarnation,
            began_after,
        });
        Ok(())
    }

    /// Decides between the old journal and a new incarnation; `None` while the peer must wait, or is open already.
    fn decide(&self) -> Result<Option<Decision>, Fatal> {
        let Some(starting) = self.life.starting() else {
            return Ok(None);
        };
        let Scope { now, store, .. } = self.scope;
        let (view, partners) = (self.scope.view(), self.partners.len());
        let needed = (view.replication().quorum() - 1).min(partners);
        let suspicion_ms = self.scope.config.timing.suspicion_ms;
        let is_satisfied = starting.is_satisfied(partners, needed, now.monotonic_ms, suspicion_ms);
        if !is_satisfied || !self.partners.is_clock_right() {
            return Ok(None);
        }
        Ok(Some(starting.decide(store, now.wall_ms)?))
    }
}
