//! Times in signatures of one journal: a block is never dated before a heartbeat that was signed earlier.
//!
//! The driver dates the blocks of a round when the round begins, and shows them after their commit. Meanwhile other
//! threads sign heartbeats with the head before. They use no later time than the round.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;

/// The time source of a journal's signatures. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SigningTimes(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    /// The latest time signed in a heartbeat, or given to a round, which may sign heartbeats of its own.
    latest_ms: u64,
    /// The time of the blocks that are not shown yet.
    round_ms: Option<u64>,
}

impl SigningTimes {
    /// Begins a round. Returns the time for its blocks, in Unix milliseconds: now, or that of the latest heartbeat.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.begin_at(clock::unix_ms())
    }

    fn begin_at(&self, now_ms: u64) -> u64 {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.latest_ms = times.latest_ms.max(now_ms);
        times.round_ms = Some(times.latest_ms);
        times.latest_ms
    }

    /// Ends the round: its blocks are shown.
    pub fn end(&self) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.round_ms = None;
    }

    /// The time for a heartbeat, in Unix milliseconds: now, but not after the blocks of a running round.
    pub(super) fn heartbeat_ms(&self) -> u64 {
        self.heartbeat_at(clock::unix_ms())
    }

    fn heartbeat_at(&self, now_ms: u64) -> u64 {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = times
            .round_ms
            .map_or(now_ms, |round_ms| now_ms.min(round_ms));
        times.latest_ms = times.latest_ms.max(now_ms);
        times.latest_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_is_dated_before_an_earlier_heartbeat() {
        let times = SigningTimes::default();
        assert_eq!(times.heartbeat_at(100), 100);
        // The clock was set back.
        assert_eq!(times.heartbeat_at(40), 100);
        assert_eq!(times.begin_at(50), 100);
        // While the blocks of a round are not shown, heartbeats are not dated after them.
        assert_eq!(times.heartbeat_at(120), 100);
        times.end();
        assert_eq!(times.heartbeat_at(120), 120);
        assert_eq!(times.begin_at(130), 130);
        assert_eq!(times.heartbeat_at(140), 130);
        assert_eq!(times.begin_at(150), 150);
    }
}
