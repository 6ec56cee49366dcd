//! The kinds of faults.

use std::fmt;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A peer is killed between two steps of its driver.
    Crash,
    /// A peer is killed at any moment, also in mid-commit: what was being committed is lost or kept.
    Kill,
    /// All peers are killed at once.
    RestartAll,
    /// A process stands still for a while, and goes on as if nothing had been.
    Pause,
    /// Everything that a peer does takes longer.
    SlowPeer,
    /// Messages take longer.
    Delay,
    /// Messages come twice.
    Duplicate,
    /// Messages overtake each other.
    Reorder,
    /// A connection is lost.
    Disconnect,
    /// A link's queue overflows, and the link is closed.
    Overflow,
    /// What came on an older connection is verified, and comes once more, on a newer one.
    Replay,
    /// Nothing gets through between two in one direction.
    OneWay,
    /// Nothing gets through between two.
    Cut,
    /// Nothing gets through between two halves.
    Partition,
    /// Nothing gets through to one peer.
    Isolate,
    /// A clock is set wrong.
    ClockStep,
    /// Clocks run at other speeds.
    Drift,
    /// A disk takes longer.
    SlowDisk,
    /// A disk answers nothing for a while.
    FrozenDisk,
    /// A disk is nearly full.
    FullDisk,
    /// Commits fail.
    FailedCommit,
    /// A disk is empty.
    Wipe,
    /// A disk has what it had some time ago.
    Restore,
    /// A disk loses at a power cut what it said that it had synced.
    Lie,
    /// A bit flips.
    Rot,
    /// The aggregator is killed.
    AggregatorKill,
    /// The aggregator's disk is empty.
    AggregatorWipe,
    /// A bit flips on the aggregator's disk.
    AggregatorRot,
    /// The indexer is killed.
    IndexerKill,
    /// The indexer's disk is empty.
    IndexerWipe,
    /// A client is killed.
    ClientKill,
    /// A reader of journals takes longer.
    SlowReader,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::Crash,
        Self::Kill,
        Self::RestartAll,
        Self::Pause,
        Self::SlowPeer,
        Self::Delay,
        Self::Duplicate,
        Self::Reorder,
        Self::Disconnect,
        Self::Overflow,
        Self::Replay,
        Self::OneWay,
        Self::Cut,
        Self::Partition,
        Self::Isolate,
        Self::ClockStep,
        Self::Drift,
        Self::SlowDisk,
        Self::FrozenDisk,
        Self::FullDisk,
        Self::FailedCommit,
        Self::Wipe,
        Self::Restore,
        Self::Lie,
        Self::Rot,
        Self::AggregatorKill,
        Self::AggregatorWipe,
        Self::AggregatorRot,
        Self::IndexerKill,
        Self::IndexerWipe,
        Self::ClientKill,
        Self::SlowReader,
    ];

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Kill => "kill",
            Self::RestartAll => "restart-all",
            Self::Pause => "pause",
            Self::SlowPeer => "slow-peer",
            Self::Delay => "delay",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Disconnect => "disconnect",
            Self::Overflow => "overflow",
            Self::Replay => "replay",
            Self::OneWay => "one-way",
            Self::Cut => "cut",
            Self::Partition => "partition",
            Self::Isolate => "isolate",
            Self::ClockStep => "clock-step",
            Self::Drift => "drift",
            Self::SlowDisk => "slow-disk",
            Self::FrozenDisk => "frozen-disk",
            Self::FullDisk => "full-disk",
            Self::FailedCommit => "failed-commit",
            Self::Wipe => "wipe",
            Self::Restore => "restore",
            Self::Lie => "lie",
            Self::Rot => "rot",
            Self::AggregatorKill => "aggregator-kill",
            Self::AggregatorWipe => "aggregator-wipe",
            Self::AggregatorRot => "aggregator-rot",
            Self::IndexerKill => "indexer-kill",
            Self::IndexerWipe => "indexer-wipe",
            Self::ClientKill => "client-kill",
            Self::SlowReader => "slow-reader",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// A disk loses something: only so many may at one time, so that it may have to wait.
    pub(crate) const fn loses(self) -> bool {
        matches!(self, Self::Wipe | Self::Restore | Self::Lie | Self::Rot)
    }

    /// How often it strikes in a world that has it, in milliseconds on average at most.
    #[must_use]
    pub const fn pause_ms_min(self) -> u64 {
        match self {
            Self::Crash | Self::Kill | Self::Disconnect | Self::Overflow | Self::Replay => 800,
            Self::Pause | Self::OneWay | Self::Cut | Self::Delay => 1_500,
            Self::SlowPeer | Self::SlowDisk | Self::FrozenDisk | Self::Isolate => 2_500,
            Self::RestartAll | Self::Partition | Self::Duplicate | Self::Reorder => 6_000,
            Self::Wipe | Self::Restore | Self::Lie | Self::Rot => 4_000,
            Self::AggregatorWipe | Self::AggregatorRot | Self::IndexerWipe => 8_000,
            _ => 3_000,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
