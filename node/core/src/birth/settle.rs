//! Settling: a filling peer becomes settled when it has everything that its arc ever had.
//!
//! An acknowledged element is on W of the n replicas of its cell. If this peer lost its copy, at least W−1 of the other
//! n−1 replicas still have one. A peer that has read n−W+1 of them has therefore read the element. So it must read that
//! many *settled* replicas, or all others, up to the head in their hello. A partner that is not settled may have lost
//! its own copy, so it does not count among the n−W+1. Example: with n = 3 and W = 2, two settled replicas are read.
//!
//! # Source
//! rfd 4, "A settled peer has read enough of the others" and "A filling peer".

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
    /// Settles the peer if it has read enough and its clock is right: journals that all held arcs are settled.
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
        journal.note(&Item::Settled(held.clone()));
        journal.keep(kept::keep_settled(journal.incarnation(), &held));
        self.life.settle(held);
        self.round.tell_partners();
        self.out.events.push(Event::Settled);
    }

    /// Whether this peer is filling and has read enough.
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
