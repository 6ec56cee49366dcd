//! When a filling peer has everything that its arc ever had.
//!
//! What was acknowledged is on W of the n replicas of its cell. If this peer lost its copy, each acknowledged
//! element is still with at least W−1 of the other n−1, so whoever has read n−W+1 of them has read it: that many
//! *settled* others, or simply all others, must have been read up to the head that they said hello with. A partner
//! that is not settled may have lost its own copy, so it does not count as one of them.
//!
//! # Source
//! Design section 1 (settled, filling) and section 4 (a filling replica counts for new writes, not for reads);
//! rfd 4 for the rule.

use std::collections::BTreeSet;

use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::{Head, Item},
    id::PublicKey,
};
use kittengrad_ring::KeyRange;

use crate::{
    birth::life::Life,
    io::{Event, Output},
    kept,
    partners::Partners,
    round::Round,
    scope::Scope,
};

/// Settles a filling peer.
pub(crate) struct Settling<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) life: &'a mut Life,
    pub(crate) partners: &'a Partners,
    pub(crate) round: &'a mut Round,
    pub(crate) out: &'a mut Output,
}

impl Settling<'_> {
    /// Journals that everything is here, once it is.
    pub(crate) fn try_settle(self) {
        if !self.is_filled() || !self.partners.is_clock_right() {
            return;
        }
        let Some(journal) = self.life.journal() else {
            return;
        };
        if !journal.has_room(0) {
            let wall_ms = self.scope.now.wall_ms;
            self.round.cut(self.life, wall_ms, &mut self.out.writes);
        }
        let held = self.life.held().clone();
        let Some(journal) = self.life.journal_mut() else {
            return;
        };
        for arc in held.arcs() {
            journal.note(&Item::Settled(*arc));
        }
        journal.keep(kept::keep_settled(journal.incarnation(), &held));
        self.life.settle(held);
        self.round.tell_partners();
        self.out.events.push(Event::Settled);
    }

    /// Whether this peer was filling, and has now read enough.
    fn is_filled(&self) -> bool {
        if !self.life.is_filling() {
            return false;
        }
        let counts_all = self.scope.has(Plant::SettleByFilling);
        let partners = self.partners.iter();
        let settled = partners.filter(|(_, link)| counts_all || link.is_settled());
        let settled: BTreeSet<_> = settled.map(|(key, _)| *key).collect();
        let has_reached = |key: &PublicKey, arc: KeyRange, target: Head| {
            let link = self.partners.get(key);
            link.is_some_and(|link| link.following.has_reached(arc, target))
                || self.scope.has(Plant::SettleEarly)
        };
        let filling = self.life.filling();
        filling.is_done(self.scope.view(), &settled, has_reached)
    }
}
