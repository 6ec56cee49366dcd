//! The start rule: before it signs anything, a peer asks what others saw of it.
//!
//! A disk can forget: it lied about a sync, it was restored from a backup, it was wiped. A peer that trusted it
//! could sign a second block for a height that others have already seen. So it waits until at least W−1 of its
//! partners, and every partner that answers within the suspicion time, have shown it the highest head of its own
//! that they saw; and if that is beyond or unlike its disk, it begins a new incarnation. A head counts with the
//! peer's own signature only, so that nobody can make it believe in a past that it never had.
//!
//! # Source
//! Design section 4, "Start"; reliability, faults 13 to 15; rfd 4 for what the set is then.

use std::collections::BTreeMap;

use kittengrad_journal::{Store, StoreError};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Head, Item},
    id::PublicKey,
};
use kittengrad_ring::KeyRanges;

/// What partners answered so far.
#[derive(Debug)]
pub(crate) struct Starting {
    since_ms: u64,
    answers: BTreeMap<PublicKey, Option<Head>>,
    plants: Plants,
}

/// How the journal goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The disk has everything that anybody saw.
    Resume,
    /// A new incarnation, which goes on from `fork` if the disk has something, and begins with `items`.
    Begin {
        incarnation: u64,
        fork: Option<Head>,
        seen: Option<Head>,
        items: Vec<Item>,
    },
}

impl Starting {
    pub(crate) const fn new(since_ms: u64, plants: Plants) -> Self {
        Self {
            since_ms,
            answers: BTreeMap::new(),
            plants,
        }
    }

    /// A partner said what it saw of us.
    pub(crate) fn answer(&mut self, partner: PublicKey, seen: Option<Head>) {
        let answer = self.answers.entry(partner).or_insert(seen);
        // It may have lost its memory since it answered first.
        if let Some(seen) = seen
            && answer.is_none_or(|answer| answer.place() < seen.place())
        {
            *answer = Some(seen);
        }
    }

    /// Whether enough partners answered, out of `partners`, of which `needed` must.
    pub(crate) fn is_satisfied(
        &self,
        partners: usize,
        needed: usize,
        now_ms: u64,
        suspicion_ms: u64,
    ) -> bool {
        let answered = self.answers.len();
        let everybody = answered >= partners || self.plants.has(Plant::SignBeforePartners);
        let enough = answered >= needed || self.plants.has(Plant::StartAlone);
        let is_late = now_ms.saturating_sub(self.since_ms) >= suspicion_ms;
        everybody || (is_late || self.plants.has(Plant::StartHasty)) && enough
    }

    /// How many partners answered.
    pub(crate) fn answered(&self) -> usize {
        self.answers.len()
    }

    /// Decides how to go on.
    pub(crate) fn decide(
        &self,
        store: &dyn Store,
        held: &KeyRanges,
        wall_ms: u64,
    ) -> Result<Decision, StoreError> {
        let disk = store.head()?;
        let seen = self
            .answers
            .values()
            .flatten()
            .max_by_key(|head| head.place());
        let goes_on = self.plants.has(Plant::ResumeContradicted);
        if disk.is_some() && (goes_on || !self.is_contradicted(store)?) {
            return Ok(Decision::Resume);
        }
        let highest = disk.iter().chain(seen).map(|head| head.incarnation).max();
        let incarnation = match highest {
            Some(highest) if self.plants.has(Plant::IncarnationReused) => highest,
            Some(highest) if wall_ms > highest => wall_ms,
            // An incarnation after `highest` may have been shown and lost again, and whoever saw it too: two that
            // begin at different times must not have one number.
            Some(highest) => highest.saturating_add(wall_ms.max(1)),
            None => wall_ms,
        };
        let mut items: Vec<_> = held.arcs().iter().copied().map(Item::Hold).collect();
        if let Some(seen) = seen {
            let known = disk.filter(|disk| disk.incarnation == seen.incarnation);
            let from_height = known.map_or(0, |disk| disk.height + 1);
            items.push(Item::Gap {
                incarnation: seen.incarnation,
                from_height,
            });
        }
        Ok(Decision::Begin {
            incarnation,
            fork: disk,
            seen: seen.copied(),
            items,
        })
    }

    /// Whether anybody saw what the disk forgot.
    fn is_contradicted(&self, store: &dyn Store) -> Result<bool, StoreError> {
        for seen in self.answers.values().flatten() {
            if is_forgotten(seen, store)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a head that this peer signed is beyond its disk, or unlike the disk's block.
pub(crate) fn is_forgotten(seen: &Head, store: &dyn Store) -> Result<bool, StoreError> {
    let Some(disk) = store.head()? else {
        return Ok(true);
    };
    if seen.place() > disk.place() {
        return Ok(true);
    }
    // Of an incarnation that ended, nothing is signed any more, whatever became of its blocks.
    if seen.incarnation < disk.incarnation {
        return Ok(false);
    }
    let ours = store.block(seen.incarnation, seen.height)?;
    Ok(ours.is_none_or(|stored| stored.block.header.hash() != seen.hash))
}
