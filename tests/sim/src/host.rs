//! A host: where one process after another runs, by a clock of its own, at its own speed.

use std::fmt;

/// Milliseconds since 1970 when a world begins.
pub(crate) const WALL_MS: u64 = 1_790_000_000_000;

/// Who runs on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A peer, by its place in the ring.
    Peer(usize),
    /// The aggregator.
    Aggregator,
    /// The indexer.
    Indexer,
    /// A client, by its number.
    Client(usize),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(number) => write!(f, "peer {number}"),
            Self::Aggregator => f.write_str("aggregator"),
            Self::Indexer => f.write_str("indexer"),
            Self::Client(number) => write!(f, "client {number}"),
        }
    }
}

/// What outlives processes beside the disk.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Counts processes, so that what belongs to an older one is known.
    pub(crate) run: u64,
    pub(crate) is_up: bool,
    pub(crate) started_us: u64,
    /// The process stands still until then.
    pub(crate) paused_until_us: u64,
    /// How far the wall clock is off.
    pub(crate) skew_ms: i64,
    /// By how much the clocks run fast, in millionths.
    pub(crate) drift_ppm: i64,
    /// Everything that the process does takes so many times as long.
    pub(crate) slowness: u64,
    /// So does everything that the disk does.
    pub(crate) disk_slowness: u64,
    /// The disk answers nothing before then.
    pub(crate) frozen_until_us: u64,
    /// The disk is too full to take more.
    pub(crate) is_full: bool,
    /// Commits fail.
    pub(crate) is_failing: bool,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            run: 0,
            is_up: false,
            started_us: 0,
            paused_until_us: 0,
            skew_ms: 0,
            drift_ppm: 0,
            slowness: 1,
            disk_slowness: 1,
            frozen_until_us: 0,
            is_full: false,
            is_failing: false,
        }
    }
}

impl Host {
    /// A process begins.
    pub(crate) const fn start(&mut self, now_us: u64) {
        self.run += 1;
        self.is_up = true;
        self.started_us = now_us;
        self.paused_until_us = 0;
    }

    /// The process ends.
    pub(crate) const fn stop(&mut self) {
        self.is_up = false;
        self.paused_until_us = 0;
    }

    /// Milliseconds since the process began, by its own clock.
    pub(crate) fn monotonic_ms(&self, now_us: u64) -> u64 {
        drifted(now_us.saturating_sub(self.started_us), self.drift_ppm) / 1_000
    }

    /// Unix time by its own clock, in milliseconds.
    pub(crate) fn wall_ms(&self, now_us: u64) -> u64 {
        (WALL_MS + drifted(now_us, self.drift_ppm) / 1_000).saturating_add_signed(self.skew_ms)
    }

    /// When a commit that takes `us` on a good disk is done.
    pub(crate) fn synced_at_us(&self, now_us: u64, us: u64) -> u64 {
        now_us.max(self.frozen_until_us) + us * self.disk_slowness
    }

    /// Whether a process still runs that was the so-manieth.
    pub(crate) const fn runs(&self, run: u64) -> bool {
        self.is_up && self.run == run
    }
}

fn drifted(us: u64, ppm: i64) -> u64 {
    let more = i128::from(us) * i128::from(ppm) / 1_000_000;
    us.saturating_add_signed(more as i64)
}
