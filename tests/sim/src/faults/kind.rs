//! The kinds of faults.

use std::fmt;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A peer is killed between two steps of its driver.
    Crash,
    /// A peer is killed at any moment, also during a commit, which is then lost or kept.
    Kill,
    /// All peers are killed at once.
    RestartAll,
    /// A process is paused for a while and then resumes.
    Pause,
    /// A peer is slower.
    SlowPeer,
    /// Messages take longer.
    Delay,
    /// Messages arrive twice.
    Duplicate,
    /// Messages overtake each other.
    Reorder,
    /// A connection is lost.
    Disconnect,
    /// A link's queue overflows, and the link is closed.
    Overflow,
    /// A verified transaction comes once more, after the connection that it came on.
    Replay,
    /// One direction between two processes is blocked.
    OneWay,
    /// Both directions between two processes are blocked.
    Cut,
    /// All ways between two halves are blocked.
    Partition,
    /// All ways to and from one process are blocked.
    Isolate,
    /// A clock is set wrong.
    ClockStep,
    /// Clocks run at different speeds.
    Drift,
    /// A disk is slower.
    SlowDisk,
    /// A disk answers nothing for a while.
    FrozenDisk,
    /// A disk is nearly full.
    FullDisk,
    /// Commits fail.
    FailedCommit,
    /// A disk is wiped.
    Wipe,
    /// An older copy of a disk is restored.
    Restore,
    /// A disk loses commits that it reported as synced.
    Lie,
    /// A bit flips on a disk.
    Rot,
    /// The aggregator is killed.
    AggregatorKill,
    /// The aggregator's disk is wiped.
    AggregatorWipe,
    /// A bit flips on the aggregator's disk.
    AggregatorRot,
    /// The indexer is killed.
    IndexerKill,
    /// The indexer's disk is wiped.
    IndexerWipe,
    /// A client is killed.
    ClientKill,
    /// A reader of journals is slower.
    SlowReader,
    /// An older copy of the aggregator's disk is restored.
    AggregatorRestore,
    /// A peer and its partners cannot reach each other; others reach all of them.
    Estrange,
    /// A source of the aggregator dies, and stays down for long.
    SourceDeath,
    /// A peer says that its set contains all journals up to their heads. Only where the aggregator tolerates one.
    FalseWord,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 36] = [
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
        Self::AggregatorRestore,
        Self::Estrange,
        Self::SourceDeath,
        Self::FalseWord,
    ];

    /// The name of the kind.
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
            Self::AggregatorRestore => "aggregator-restore",
            Self::Estrange => "estrange",
            Self::SourceDeath => "source-death",
            Self::FalseWord => "false-word",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether a disk loses data. Only a limited number of disks may at one time, so the fault may have to wait.
    pub(crate) const fn loses(self) -> bool {
        matches!(self, Self::Wipe | Self::Restore | Self::Lie | Self::Rot)
    }

    /// The shortest mean time between two strikes, in milliseconds.
    #[must_use]
    pub const fn pause_ms_min(self) -> u64 {
        match self {
            Self::Crash | Self::Kill | Self::Disconnect | Self::Overflow | Self::Replay => 800,
            Self::Pause | Self::OneWay | Self::Cut | Self::Delay => 1_500,
            Self::SlowPeer | Self::SlowDisk | Self::FrozenDisk | Self::Isolate => 2_500,
            Self::RestartAll | Self::Partition | Self::Duplicate | Self::Reorder => 6_000,
            Self::Wipe | Self::Restore | Self::Lie | Self::Rot => 4_000,
            Self::SourceDeath => 15_000,
            Self::AggregatorRestore
            | Self::AggregatorWipe
            | Self::AggregatorRot
            | Self::IndexerWipe => 8_000,
            _ => 3_000,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
