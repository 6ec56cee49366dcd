//! Heads that were asked for, until our set contains them.

use std::collections::VecDeque;

use kittengrad_proto::{block::Head, identity::Heartbeat};
use kittengrad_ring::{KeyRange, KeyRanges};

use crate::io::Now;

/// Heads of one member that wait, at most. The oldest stay, so that one is reached in the end, and the newest.
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

/// The heads of one member that are not contained in our set yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Heads(VecDeque<Asked>);

impl Heads {
    /// Adds an answer. Answers to older questions than the last one are ignored.
    pub(super) fn add(&mut self, asked: Asked) {
        let is_newer = |last: &Asked| last.at.monotonic_ms < asked.at.monotonic_ms;
        if !self.0.back().is_none_or(is_newer) {
            return;
        }
        if self.0.len() >= HEADS_MAX {
            self.0.pop_back();
        }
        self.0.push_back(asked);
    }

    /// The heads, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Asked> {
        self.0.iter().rev()
    }

    /// Forgets the heads that were asked for at this time or before.
    pub(super) fn forget_up_to(&mut self, monotonic_ms: u64) {
        self.0.retain(|asked| asked.at.monotonic_ms > monotonic_ms);
    }
}
