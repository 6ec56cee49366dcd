//! The catalogue: the name of each mistake, and what is wrong.

use core::{fmt, str::FromStr};

/// Makes the enum, the names and the sentences of one list.
macro_rules! catalogue {
    ($(#[doc = $what:literal] $Plant:ident = $name:literal,)*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $(#[doc = $what] $Plant,)*
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$Plant,)*];

            /// Its name, as it is written everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Plant => $name,)*
                }
            }

            /// What is wrong, in one sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$Plant => $what.trim_ascii(),)*
                }
            }
        }
    };
}

catalogue! {
    /// A submission is acknowledged one disk before its quorum.
    QuorumOneShort = "quorum-one-short",
    /// Who asked for all disks is answered when a quorum has it.
    AllIsQuorum = "all-is-quorum",
    /// A quorum in one of the cells of a transaction is enough.
    AnyCell = "any-cell",
    /// A submission whose time is over counts as acknowledged.
    LateIsAcked = "late-is-acked",
    /// A request that joins another is answered by what was confirmed before it asked.
    JoinedByOld = "joined-by-old",
    /// A receipt names all replicas of a cell, whether they confirmed or not.
    ReceiptNamesAll = "receipt-names-all",
    /// The bytes of a submission that was answered are counted on as waiting.
    WaitingBytesKept = "waiting-bytes-kept",
    /// A confirmation leaves before the batch that it vouches for is synced.
    ConfirmBeforeSync = "confirm-before-sync",
    /// Blocks leave before the batch that holds them is synced.
    PublishBeforeSync = "publish-before-sync",
    /// A heartbeat leaves before the head that it signs is synced.
    HeartbeatBeforeSync = "heartbeat-before-sync",
    /// The kept position in a partner's journal is that of the last block read, not of the last one applied.
    CursorBeforeApply = "cursor-before-apply",
    /// A partner is asked for the block after the next one.
    CursorOffByOne = "cursor-off-by-one",
    /// Blocks that waited for transactions when a link went down are not asked for again.
    WaitsAcrossLinks = "waits-across-links",
    /// A transaction of which a part came is taken to be here.
    PartIsWhole = "part-is-whole",
    /// That a part of a transaction is missing is not written down.
    PartNotKept = "part-not-kept",
    /// Whether an item concerns a partner is decided by its last element alone.
    HintOverwritten = "hint-overwritten",
    /// A push of what is here already is not confirmed.
    RepeatUnconfirmed = "repeat-unconfirmed",
    /// The certificates of a publisher are not written down.
    ChainNotKept = "chain-not-kept",
    /// The journal of an old disk that came back is not read again.
    OldDiskNotReread = "old-disk-not-reread",
    /// A peer that fills answers readers.
    AnswerWhileFilling = "answer-while-filling",
    /// Having heard where a partner's journal ends is enough to be settled.
    SettleEarly = "settle-early",
    /// A peer that was settled once is settled in every incarnation.
    SettledForever = "settled-forever",
    /// A partner that fills counts as settled.
    SettleByFilling = "settle-by-filling",
    /// A peer signs before its partners have said what they saw of it.
    SignBeforePartners = "sign-before-partners",
    /// A peer signs after the suspicion time though nobody answered.
    StartAlone = "start-alone",
    /// A peer opens its journal as soon as W−1 partners answered.
    StartHasty = "start-hasty",
    /// What a partner saw is not looked at once the journal is open.
    LateAnswerIgnored = "late-answer-ignored",
    /// The journal goes on although partners saw more of it than the disk has.
    ResumeContradicted = "resume-contradicted",
    /// A new incarnation takes the number of the last one.
    IncarnationReused = "incarnation-reused",
    /// A partner is not told what was seen of it.
    SeenNotTold = "seen-not-told",
    /// What was seen of a partner is not written down.
    SeenNotKept = "seen-not-kept",
    /// The time of a block is the wall clock's, whatever the block before says.
    TimeGoesBack = "time-goes-back",
    /// Records and transactions of a block are written with the next batch.
    RecordsLate = "records-late",
    /// An element that the store has is added again.
    RepeatOfStored = "repeat-of-stored",
    /// An element of the block under construction is added again.
    RepeatOfPending = "repeat-of-pending",
    /// The offset of a block counts the items before it, not the elements.
    OffsetCountsItems = "offset-counts-items",
    /// The aggregator keeps the position of blocks that it read and did not emit.
    AggregatorCursorEarly = "aggregator-cursor-early",
    /// The aggregator drops a transaction whose records are not here yet.
    AggregatorDropsBlocked = "aggregator-drops-blocked",
    /// The aggregator does not read the journal of an old disk again that came back.
    AggregatorOldDisk = "aggregator-old-disk",
    /// The index commits its cursor, and the documents with the next commit.
    IndexCursorFirst = "index-cursor-first",
    /// The index drops an update that comes before anything else of its canonical.
    IndexUnknownDropped = "index-unknown-dropped",
    /// The digest of the index keeps the documents that were replaced.
    IndexDigestGrows = "index-digest-grows",
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No plant has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPlant;

impl fmt::Display for UnknownPlant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no planted bug has this name")
    }
}

impl core::error::Error for UnknownPlant {}

impl FromStr for Plant {
    type Err = UnknownPlant;

    fn from_str(name: &str) -> Result<Self, UnknownPlant> {
        let mut all = Self::ALL.iter().copied();
        all.find(|plant| plant.as_str() == name).ok_or(UnknownPlant)
    }
}
