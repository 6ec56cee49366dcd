//! The start rule: before a peer signs anything, its partners tell it which of its heads they saw.
//!
//! A disk can lose blocks: it lied about a sync, it was restored from a backup, or it was wiped. A peer that trusted
//! such a disk could sign a second block for a height that others have already seen. So the peer waits for at least W−1
//! of its partners, and for every partner that answers within the suspicion time. Each answers with the highest head of
//! this peer's journal that it saw. If a head is beyond the disk or unlike its block, the peer begins a new
//! incarnation. A head counts only with the peer's own signature, so nobody can invent a past for it.
//!
//! # Source
//! rfd 4, also for the set of the new incarnation; S7 in `docs/promises.md`.

use std::collections::BTreeMap;

use kittengrad_journal::{Store, StoreError, next_incarnation};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Head, Item},
    id::PublicKey,
};

/// The answers of partners so far.
#[derive(Debug)]
pub(crate) struct Starting {
    since_ms: u64,
    answers: BTreeMap<PublicKey, Option<Head>>,
    /// The head that a partner showed to the process before, after that had opened its journal.
    remembered: Option<Head>,
    plants: Plants,
}

/// The journal that the peer opens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The journal on disk: it has all heads that partners saw.
    Resume,
    /// A new incarnation. It begins with a `hold` and `items`, and continues from `fork`, the last block on disk, if
    /// there is one.
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
            remembered: None,
            plants,
        }
    }

    /// Takes a partner's answer: the highest head of this peer that it saw.
    pub(crate) fn answer(&mut self, partner: PublicKey, seen: Option<Head>) {
        let answer = self.answers.entry(partner).or_insert(seen);
        // The highest answer counts: the partner may have lost its disk since its first one.
        if let Some(seen) = seen
            && answer.is_none_or(|answer| answer.place() < seen.place())
        {
            *answer = Some(seen);
        }
    }

    /// Notes a head of this peer that a partner showed too late to an earlier process. The partner may be late again.
    pub(crate) const fn remember(&mut self, seen: Head) {
        self.remembered = Some(seen);
    }

    /// All heads of this peer that others saw.
    fn seen(&self) -> impl Iterator<Item = &Head> {
        self.answers.values().flatten().chain(&self.remembered)
    }

    /// Whether enough partners answered: all `partners`, or `needed` of them once the suspicion time is over.
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

    /// The number of partners that answered.
    pub(crate) fn answered(&self) -> usize {
        self.answers.len()
    }

    /// Decides between the journal on disk and a new incarnation.
    pub(crate) fn decide(&self, store: &dyn Store, wall_ms: u64) -> Result<Decision, StoreError> {
        let disk = store.head()?;
        let seen = self.seen().max_by_key(|head| head.place());
        let goes_on = self.plants.has(Plant::ResumeContradicted);
        if disk.is_some() && (goes_on || !self.is_contradicted(store)?) {
            return Ok(Decision::Resume);
        }
        let highest = disk.iter().chain(seen).map(|head| head.incarnation).max();
        let incarnation = match highest {
            Some(highest) if self.plants.has(Plant::IncarnationReused) => highest,
            highest => next_incarnation(highest, wall_ms),
        };
        let gap = seen.map(|seen| {
            let known = disk.filter(|disk| disk.incarnation == seen.incarnation);
            let from_height = known.map_or(0, |disk| disk.height + 1);
            Item::Gap {
                incarnation: seen.incarnation,
                from_height,
            }
        });
        Ok(Decision::Begin {
            incarnation,
            fork: disk,
            seen: seen.copied(),
            items: gap.into_iter().collect(),
        })
    }

    /// Whether a partner saw a head that the disk lost.
    fn is_contradicted(&self, store: &dyn Store) -> Result<bool, StoreError> {
        for seen in self.seen() {
            if is_forgotten(seen, store)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the disk lost a head that this peer signed: the head is beyond the disk, or unlike the block on disk.
pub(crate) fn is_forgotten(seen: &Head, store: &dyn Store) -> Result<bool, StoreError> {
    let Some(disk) = store.head()? else {
        return Ok(true);
    };
    if seen.place() > disk.place() {
        return Ok(true);
    }
    // An incarnation that ended gets no more signatures, so lost blocks of it cannot be signed twice.
    if seen.incarnation < disk.incarnation {
        return Ok(false);
    }
    let ours = store.block(seen.incarnation, seen.height)?;
    Ok(ours.is_none_or(|stored| stored.block.header.hash() != seen.hash))
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::{MemoryStore, Write};
    use kittengrad_support::journals::stored_block;

    use super::*;
    use crate::fixtures::head;

    const PARTNER: PublicKey = PublicKey::new([1; 32]);
    const OTHER: PublicKey = PublicKey::new([2; 32]);

    /// A disk with blocks at these places, and their heads.
    fn disk(places: &[(u64, u64)]) -> (MemoryStore, Vec<Head>) {
        let mut store = MemoryStore::default();
        let mut heads = Vec::new();
        for (incarnation, height) in places {
            let stored = stored_block(*incarnation, *height, Vec::new(), 0);
            heads.push(stored.block.head());
            store.commit(vec![Write::Block(Box::new(stored))]);
        }
        (store, heads)
    }

    #[test]
    fn enough_answers_are_enough_at_the_suspicion_time() {
        let mut starting = Starting::new(1_000, Plants::NONE);
        starting.answer(PARTNER, None);
        assert!(!starting.is_satisfied(2, 1, 5_999, 5_000));
        assert!(starting.is_satisfied(2, 1, 6_000, 5_000));
        assert!(!starting.is_satisfied(2, 2, 6_000, 5_000));
        starting.answer(PARTNER, None);
        assert_eq!(starting.answered(), 1);
        assert!(!starting.is_satisfied(2, 2, 6_000, 5_000));
        starting.answer(OTHER, None);
        assert!(starting.is_satisfied(2, 2, 1_000, 5_000));
    }

    #[test]
    fn the_gap_of_a_lost_incarnation_starts_where_the_disk_ends() {
        let mut store = MemoryStore::default();
        let block = stored_block(5, 0, Vec::new(), 0);
        store.commit(vec![Write::Block(Box::new(block))]);
        for (seen, from_height) in [(head(5, 3), 1), (head(9, 3), 0)] {
            let mut starting = Starting::new(0, Plants::NONE);
            starting.answer(PARTNER, Some(seen));
            let decision = starting.decide(&store, 1_000).unwrap();
            let Decision::Begin { items, .. } = decision else {
                panic!("{decision:?}")
            };
            let incarnation = seen.incarnation;
            let gap = Item::Gap {
                incarnation,
                from_height,
            };
            assert_eq!(items, [gap]);
        }
    }

    #[test]
    fn a_head_is_forgotten_by_a_disk_behind_or_unlike_it() {
        let (store, ours) = disk(&[(5, 0), (7, 0), (7, 1), (7, 3)]);
        for (seen, expected) in [
            (head(7, 4), true),
            (head(8, 0), true),
            (ours[3], false),
            (ours[1], false),
            (head(7, 3), true),
            (head(7, 1), true),
            // The disk has no block at this height.
            (head(7, 2), true),
            // Nothing is signed in an older incarnation.
            (head(5, 9), false),
            (head(5, 0), false),
            (head(6, 0), false),
        ] {
            assert_eq!(is_forgotten(&seen, &store), Ok(expected), "{seen:?}");
        }
        assert_eq!(is_forgotten(&ours[0], &MemoryStore::default()), Ok(true));
    }

    #[test]
    fn a_new_incarnation_has_a_higher_number_than_all_before() {
        for (on_disk, seen, wall_ms, expected) in [
            (None, None, 0, 0),
            (None, None, 1_000, 1_000),
            (None, Some(999), 1_000, 1_000),
            (None, Some(1_000), 1_000, 2_000),
            (None, Some(5_000), 1_000, 6_000),
            (None, Some(5), 0, 6),
            (None, Some(u64::MAX), 1_000, u64::MAX),
            (Some(900), Some(950), 1_000, 1_000),
            (Some(900), Some(5_000), 1_000, 6_000),
            (Some(5_000), Some(5_000), 1_000, 6_000),
        ] {
            let place = on_disk.map(|incarnation| (incarnation, 0));
            let (store, _) = disk(&Vec::from_iter(place));
            let mut starting = Starting::new(0, Plants::NONE);
            starting.answer(PARTNER, seen.map(|incarnation| head(incarnation, 3)));
            let decision = starting.decide(&store, wall_ms);
            let Ok(Decision::Begin { incarnation, .. }) = decision else {
                panic!("{decision:?}")
            };
            assert_eq!(incarnation, expected, "{on_disk:?} {seen:?} {wall_ms}");
        }
    }

    #[test]
    fn a_new_incarnation_begins_with_the_gap_behind_its_fork() {
        let begun = |fork, seen: Option<Head>, gap: Option<u64>| {
            let gap = gap.map(|from_height| Item::Gap {
                incarnation: 5,
                from_height,
            });
            let items = gap.into_iter().collect();
            let incarnation = 1_000;
            Ok(Decision::Begin {
                incarnation,
                fork,
                seen,
                items,
            })
        };
        let mut starting = Starting::new(0, Plants::NONE);
        let decided = |starting: &Starting, store: &MemoryStore| starting.decide(store, 1_000);
        let (empty, _) = disk(&[]);
        assert_eq!(decided(&starting, &empty), begun(None, None, None));

        let (store, ours) = disk(&[(5, 0), (5, 1)]);
        assert_eq!(decided(&starting, &store), Ok(Decision::Resume));
        starting.answer(PARTNER, Some(ours[1]));
        assert_eq!(decided(&starting, &store), Ok(Decision::Resume));
        starting.answer(OTHER, Some(head(5, 4)));
        let fork = Some(ours[1]);
        let seen = Some(head(5, 4));
        assert_eq!(decided(&starting, &store), begun(fork, seen, Some(2)));
        // The process before heard of a higher head.
        starting.remember(head(5, 7));
        let seen = Some(head(5, 7));
        assert_eq!(decided(&starting, &store), begun(fork, seen, Some(2)));
        assert_eq!(decided(&starting, &empty), begun(None, seen, Some(0)));
    }
}
