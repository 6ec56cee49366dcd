//! The two steps of a peer's life: it opens its journal, and it settles.

use std::{collections::BTreeSet, sync::Arc};

use kittengrad_journal::{Journal, Store};
use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::{Head, Item},
    id::PublicKey,
};

use crate::{
    io::{Event, Fatal, Now, Output},
    kept,
    peer::{Peer, Phase},
    start::Opening,
};

impl Peer {
    /// Opens the journal once the start rule allows it.
    pub(crate) fn try_open(
        &mut self,
        now: Now,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        let Phase::Starting(starting) = &self.phase else {
            return Ok(());
        };
        let view = &self.config.view;
        let needed = (view.replication().quorum() - 1).min(self.links.len());
        let suspicion_ms = self.config.timing.suspicion_ms;
        let is_satisfied =
            starting.is_satisfied(self.links.len(), needed, now.monotonic_ms, suspicion_ms);
        if !is_satisfied || !self.is_clock_right() {
            return Ok(());
        }
        let opening = starting.decide(store, view.held_here(), now.wall_ms)?;
        let overlay = view.overlay().clone();
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
        let journal = journal.planted(self.plants);
        let incarnation = journal.incarnation();
        if kept::was_settled(incarnation, self.plants, store)? {
            self.filling = None;
        }
        self.phase = Phase::Open(Box::new(journal));
        self.has_news = true;
        out.events.push(Event::Opened {
            incarnation,
            began_after,
        });
        Ok(())
    }

    /// Notes that everything is here, once it is.
    pub(crate) fn try_settle(&mut self, now: Now, out: &mut Output) {
        if self.journal().is_none() || !self.is_filled() || !self.is_clock_right() {
            return;
        }
        if self.journal().is_some_and(|journal| !journal.has_room(0)) {
            self.cut(now, out);
        }
        if let Phase::Open(journal) = &mut self.phase {
            for arc in self.config.view.held_here() {
                journal.note(&Item::Settled(arc));
            }
            journal.keep(kept::keep_settled(journal.incarnation()));
            self.filling = None;
            self.has_news = true;
            out.events.push(Event::Settled);
        }
    }

    /// Whether this peer was filling, and has now read enough.
    fn is_filled(&self) -> bool {
        let Some(filling) = &self.filling else {
            return false;
        };
        let counts_all = self.plants.has(Plant::SettleByFilling);
        let links = self.links.iter();
        let settled = links.filter(|(_, link)| counts_all || link.is_settled());
        let settled: BTreeSet<_> = settled.map(|(key, _)| *key).collect();
        let has_reached = |key: &PublicKey, target: Head| {
            let link = self.links.get(key);
            link.is_some_and(|link| link.following.has_reached(target))
                || self.plants.has(Plant::SettleEarly)
        };
        filling.is_done(&self.config.view, &settled, has_reached)
    }
}
