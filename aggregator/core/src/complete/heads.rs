//! Heads that were asked for, until our set contains them.

use std::{collections::VecDeque, sync::Arc};

use kittengrad_proto::{block::Head, identity::Heartbeat};
use kittengrad_ring::{KeyRange, KeyRanges};

use crate::io::Now;

/// Heads of one member that wait in one cell, at most. The oldest stays, so that one is reached in the end, and the
/// newest.
const HEADS_MAX: usize = 8;

/// A head that a member signed after it was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The time of the question.
    pub(crate) at: Now,
    pub(crate) head: Head,
    /// The arcs in which the member was settled.
    settled: KeyRanges,
}

impl Asked {
    /// Takes the answer to a question that was sent at `at`. Without a checkpoint, the member is settled nowhere.
    pub(crate) fn new(at: Now, heartbeat: &Heartbeat) -> Self {
        let checkpoint = heartbeat.checkpoint.as_ref();
        let settled = checkpoint.map(|checkpoint| checkpoint.holds.settled().clone());
        Self {
            at,
            head: heartbeat.head,
            settled: settled.unwrap_or_default(),
        }
    }

    pub(crate) fn is_settled_in(&self, cell: KeyRange) -> bool {
        self.settled.covers(cell)
    }
}

/// The heads of one member that are not contained in our set yet in one cell, oldest first.
#[derive(Debug, Default)]
pub(super) struct Heads(VecDeque<Arc<Asked>>);

impl Heads {
    /// Adds an answer. Answers to older questions than the last one are ignored. Heads of an earlier incarnation are
    /// forgotten, because a position of the newer one never reaches them.
    pub(super) fn add(&mut self, asked: Arc<Asked>) {
        let is_newer = |last: &Arc<Asked>| last.at.monotonic_ms < asked.at.monotonic_ms;
        if !self.0.back().is_none_or(is_newer) {
            return;
        }
        self.0
            .retain(|of| of.head.incarnation >= asked.head.incarnation);
        if self.0.len() >= HEADS_MAX {
            self.0.remove(1);
        }
        self.0.push_back(asked);
    }

    /// The heads, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Asked> {
        self.0.iter().rev().map(|asked| &**asked)
    }

    /// Forgets the heads that were asked for at this time or before.
    pub(super) fn forget_up_to(&mut self, monotonic_ms: u64) {
        self.0.retain(|asked| asked.at.monotonic_ms > monotonic_ms);
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::Id;

    use super::*;

    fn asked(second: u64, incarnation: u64) -> Arc<Asked> {
        let ms = second * 1_000;
        Arc::new(Asked {
            at: Now {
                monotonic_ms: ms,
                wall_ms: ms,
            },
            head: Head {
                incarnation,
                height: second,
                hash: Id::ZERO,
            },
            settled: KeyRanges::default(),
        })
    }

    fn heights(heads: &Heads) -> Vec<u64> {
        let mut heights: Vec<_> = heads.newest_first().map(|of| of.head.height).collect();
        heights.reverse();
        heights
    }

    #[test]
    fn the_oldest_head_and_the_newest_ones_stay() {
        let mut heads = Heads::default();
        for second in 1..=20 {
            heads.add(asked(second, 1));
        }
        assert_eq!(heights(&heads), [1, 14, 15, 16, 17, 18, 19, 20]);
    }

    #[test]
    fn heads_of_an_earlier_incarnation_are_forgotten() {
        let mut heads = Heads::default();
        heads.add(asked(1, 1));
        heads.add(asked(2, 1));
        heads.add(asked(3, 2));
        assert_eq!(heights(&heads), [3]);
    }
}
