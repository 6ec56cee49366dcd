//! A host: runs one process after another, with its own clock and speed.

use std::fmt;

/// The Unix time at which a world starts, in milliseconds.
pub(crate) const WALL_MS: u64 = 1_790_000_000_000;

/// A process of the world, by role and number.
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

/// The state of a host that outlives its processes, except the disk.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Counts processes, so that events of an older process are recognised.
    pub(crate) run: u64,
    pub(crate) is_up: bool,
    pub(crate) started_us: u64,
    /// The process is paused until this time.
    pub(crate) paused_until_us: u64,
    /// The offset of the wall clock, in milliseconds.
    pub(crate) skew_ms: i64,
    /// The drift of the clocks, in millionths; positive if they run fast.
    pub(crate) drift_ppm: i64,
    /// The factor by which the process is slower.
    pub(crate) slowness: u64,
    /// The factor by which the disk is slower.
    pub(crate) disk_slowness: u64,
    /// The disk answers nothing before this time.
    pub(crate) frozen_until_us: u64,
    /// The disk is full.
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
    /// Starts a process.
    pub(crate) const fn start(&mut self, now_us: u64) {
        self.run += 1;
        self.is_up = true;
        self.started_us = now_us;
        self.paused_until_us = 0;
    }

    /// Ends the process.
    pub(crate) const fn stop(&mut self) {
        self.is_up = false;
        self.paused_until_us = 0;
    }

    /// Milliseconds since the process started, by its own clock.
    pub(crate) fn monotonic_ms(&self, now_us: u64) -> u64 {
        drifted(now_us.saturating_sub(self.started_us), self.drift_ppm) / 1_000
    }

    /// Unix time by its own clock, in milliseconds.
    pub(crate) fn wall_ms(&self, now_us: u64) -> u64 {
        (WALL_MS + drifted(now_us, self.drift_ppm) / 1_000).saturating_add_signed(self.skew_ms)
    }

    /// The time at which a commit ends that takes `us` on a good disk.
    pub(crate) fn synced_at_us(&self, now_us: u64, us: u64) -> u64 {
        now_us.max(self.frozen_until_us) + us * self.disk_slowness
    }

    /// Whether the process with number `run` still runs.
    pub(crate) const fn runs(&self, run: u64) -> bool {
        self.is_up && self.run == run
    }
}

fn drifted(us: u64, ppm: i64) -> u64 {
    let more = i128::from(us) * i128::from(ppm) / 1_000_000;
    us.saturating_add_signed(more as i64)
}
