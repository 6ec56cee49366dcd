//! Waiting: canonicals with absent records, and the time of the next lookup of each.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::RecordId;

use crate::limits::{BACK_OFF_MS_MAX, BACK_OFF_MS_MIN, FETCH_CANONICALS_MAX, WAITING_MAX};

/// The canonicals to look up again, with their times in monotonic milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    by_canonical: BTreeMap<RecordId, Turn>,
    by_time: BTreeSet<(u64, RecordId)>,
    has_forgotten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    due_ms: u64,
    back_off_ms: u64,
}

impl Waiting {
    /// Counts the canonicals in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_canonical.len()
    }

    /// Whether no canonical is in memory. The store may have some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_canonical.is_empty()
    }

    /// Whether to ask the store: it may have canonicals that are not in memory, and at least half of the room is free.
    #[must_use]
    pub fn should_refill(&self) -> bool {
        self.has_forgotten && self.len() <= WAITING_MAX / 2
    }

    /// Notes that the store may have canonicals with absent records that are not in memory.
    pub const fn forget(&mut self) {
        self.has_forgotten = true;
    }

    /// Adds canonicals from the store. They are all of them if they are fewer than [`WAITING_MAX`].
    pub fn refill(&mut self, now_ms: u64, canonicals: &[RecordId]) {
        self.has_forgotten = canonicals.len() >= WAITING_MAX;
        for canonical in canonicals {
            self.add(now_ms, *canonical);
        }
    }

    /// Adds a canonical, due after [`BACK_OFF_MS_MIN`]. A canonical that waits already keeps its time.
    pub fn add(&mut self, now_ms: u64, canonical: RecordId) {
        if self.by_canonical.contains_key(&canonical) {
            return;
        }
        if self.len() >= WAITING_MAX {
            self.has_forgotten = true;
            return;
        }
        self.put(
            canonical,
            Turn {
                due_ms: now_ms.saturating_add(BACK_OFF_MS_MIN),
                back_off_ms: BACK_OFF_MS_MIN,
            },
        );
    }

    /// Removes a canonical: none of its records is absent any more.
    pub fn remove(&mut self, canonical: &RecordId) {
        if let Some(turn) = self.by_canonical.remove(canonical) {
            self.by_time.remove(&(turn.due_ms, *canonical));
        }
    }

    /// Lists the canonicals that are due, the earliest first, at most [`FETCH_CANONICALS_MAX`]. Each is due again after
    /// twice the time, with or without an answer. While the store may have canonicals that are not in memory, those
    /// whose time reached [`BACK_OFF_MS_MAX`] leave the memory, to make room.
    pub fn due(&mut self, now_ms: u64) -> Vec<RecordId> {
        let until = (now_ms, RecordId::new([0xff; 32]));
        let due: Vec<_> = self
            .by_time
            .range(..=until)
            .take(FETCH_CANONICALS_MAX)
            .map(|(_, id)| *id)
            .collect();
        for canonical in &due {
            let back_off_ms = self
                .by_canonical
                .get(canonical)
                .map_or(BACK_OFF_MS_MIN, |turn| turn.back_off_ms);
            let back_off_ms = back_off_ms.saturating_mul(2).min(BACK_OFF_MS_MAX);
            self.remove(canonical);
            if self.has_forgotten && back_off_ms == BACK_OFF_MS_MAX {
                continue;
            }
            self.put(
                *canonical,
                Turn {
                    due_ms: now_ms.saturating_add(back_off_ms),
                    back_off_ms,
                },
            );
        }
        due
    }

    fn put(&mut self, canonical: RecordId, turn: Turn) {
        self.by_time.insert((turn.due_ms, canonical));
        self.by_canonical.insert(canonical, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> RecordId {
        RecordId::of(&n.to_be_bytes())
    }

    #[test]
    fn the_time_between_two_lookups_doubles_up_to_its_limit() {
        let mut waiting = Waiting::default();
        waiting.add(0, id(1));
        let (mut now, mut asked) = (0, Vec::new());
        while now < 2_000_000 {
            if !waiting.due(now).is_empty() {
                asked.push(now / 1_000);
            }
            now += 1_000;
        }
        assert_eq!(
            asked,
            [1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711]
        );
    }

    #[test]
    fn the_store_is_asked_again_if_it_filled_the_room() {
        let all: Vec<_> = (0..u32::try_from(WAITING_MAX).unwrap()).map(id).collect();
        for (count, is_asked) in [(WAITING_MAX, true), (WAITING_MAX - 1, false)] {
            let mut waiting = Waiting::default();
            waiting.refill(0, &all[..count]);
            all.iter().for_each(|canonical| waiting.remove(canonical));
            assert_eq!(waiting.should_refill(), is_asked, "{count}");
        }
    }

    #[test]
    fn one_that_keeps_failing_does_not_hold_up_the_others() {
        let mut waiting = Waiting::default();
        for n in 0..250 {
            waiting.add(0, id(n));
        }
        let mut asked = BTreeSet::new();
        for _ in 0..3 {
            asked.extend(waiting.due(1_000));
        }
        assert_eq!(
            asked.len(),
            250,
            "each was asked once before any was asked twice"
        );
        assert!(waiting.due(1_000).is_empty());
        asked.iter().for_each(|id| waiting.remove(id));
        assert!(waiting.is_empty() && waiting.by_time.is_empty());
    }

    #[test]
    fn those_that_are_asked_for_in_vain_make_room_for_the_others() {
        let mut waiting = Waiting::default();
        (0..WAITING_MAX as u32 + 1).for_each(|n| waiting.add(0, id(n)));
        let mut now_ms = 0;
        while !waiting.should_refill() {
            now_ms += 1_000;
            assert!(now_ms < 10_000_000, "no canonical leaves the memory");
            while !waiting.due(now_ms).is_empty() {}
        }
        waiting.refill(now_ms, &[id(u32::MAX)]);
        assert!(waiting.by_canonical.contains_key(&id(u32::MAX)));
    }

    #[test]
    fn the_earliest_are_looked_up_first() {
        let mut waiting = Waiting::default();
        for n in (0..5).rev() {
            waiting.add(u64::from(4 - n), id(n));
        }
        assert_eq!(waiting.len(), 5);
        assert_eq!(waiting.due(1_000), [id(4)]);
        assert_eq!(waiting.due(1_003), [id(3), id(2), id(1)]);
        assert_eq!(waiting.due(1_003), []);
        assert_eq!(waiting.due(3_000), [id(0), id(4)]);
    }

    #[test]
    fn one_that_waits_already_keeps_its_time() {
        let mut waiting = Waiting::default();
        assert!(waiting.is_empty());
        waiting.add(5_000, id(1));
        waiting.add(5_900, id(1));
        waiting.refill(5_950, &[id(1)]);
        assert_eq!((waiting.len(), waiting.is_empty()), (1, false));
        assert_eq!(waiting.due(5_999), []);
        assert_eq!(waiting.due(6_000), [id(1)]);
        assert_eq!(waiting.due(7_999), []);
        waiting.remove(&id(1));
        waiting.remove(&id(1));
        assert!(waiting.is_empty() && waiting.by_time.is_empty());
    }

    #[test]
    fn only_those_of_the_longest_wait_make_room() {
        let mut waiting = Waiting::default();
        waiting.add(0, id(1));
        waiting.forget();
        let mut asked = Vec::new();
        for seconds in 0..2_000 {
            if waiting.due(seconds * 1_000) == [id(1)] {
                asked.push(seconds);
            }
        }
        assert_eq!(asked, [1, 3, 7, 15, 31, 63, 127, 255, 511]);
        assert!(waiting.is_empty() && waiting.should_refill());
    }

    #[test]
    fn the_store_is_asked_once_half_of_the_room_is_free() {
        let mut waiting = Waiting::default();
        let half = u32::try_from(WAITING_MAX / 2).unwrap();
        (0..=half).for_each(|n| waiting.add(0, id(n)));
        waiting.forget();
        assert!(!waiting.should_refill());
        waiting.remove(&id(0));
        assert!(waiting.should_refill());
        waiting.refill(0, &[]);
        assert!(!waiting.should_refill());
    }

    #[test]
    fn what_does_not_fit_is_asked_of_the_store_later() {
        let mut waiting = Waiting::default();
        let all: Vec<_> = (0..WAITING_MAX as u32 + 1).map(id).collect();
        all.iter().for_each(|id| waiting.add(0, *id));
        assert_eq!(waiting.len(), WAITING_MAX);
        assert!(!waiting.should_refill());
        all.iter().for_each(|id| waiting.remove(id));
        assert!(waiting.should_refill());
        waiting.refill(0, &all[..1]);
        waiting.remove(&all[0]);
        assert!(!waiting.should_refill());
    }
}
