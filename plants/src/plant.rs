//! The catalogue: what is wrong in each.

use core::{fmt, str::FromStr};

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// A submission is acknowledged one disk before its quorum.
    QuorumOneShort,
    /// Who asked for all disks is answered when a quorum has it.
    AllIsQuorum,
    /// A quorum in one of the cells of a transaction is enough.
    AnyCell,
    /// A submission whose time is over counts as acknowledged.
    LateIsAcked,
    /// A request that joins another is answered by what was confirmed before it asked.
    JoinedByOld,
    /// A receipt names all replicas of a cell, whether they confirmed or not.
    ReceiptNamesAll,
    /// The bytes of a submission that was answered are counted on as waiting.
    WaitingBytesKept,
    /// A confirmation leaves before the batch that it vouches for is synced.
    ConfirmBeforeSync,
    /// Blocks leave before the batch that holds them is synced.
    PublishBeforeSync,
    /// A heartbeat leaves before the head that it signs is synced.
    HeartbeatBeforeSync,
    /// The kept position in a partner's journal is that of the last block read, not of the last one applied.
    CursorBeforeApply,
    /// A partner is asked for the block after the next one.
    CursorOffByOne,
    /// Blocks that waited for transactions when a link went down are not asked for again.
    WaitsAcrossLinks,
    /// A transaction of which a part came is taken to be here.
    PartIsWhole,
    /// That a part of a transaction is missing is not written down.
    PartNotKept,
    /// Whether an item concerns a partner is decided by its last element alone.
    HintOverwritten,
    /// A push of what is here already is not confirmed.
    RepeatUnconfirmed,
    /// The certificates of a publisher are not written down.
    ChainNotKept,
    /// The journal of an old disk that came back is not read again.
    OldDiskNotReread,
    /// A peer that fills answers readers.
    AnswerWhileFilling,
    /// Having heard where a partner's journal ends is enough to be settled.
    SettleEarly,
    /// A peer that was settled once is settled in every incarnation.
    SettledForever,
    /// A partner that fills counts as settled.
    SettleByFilling,
    /// A peer signs before its partners have said what they saw of it.
    SignBeforePartners,
    /// A peer signs after the suspicion time though nobody answered.
    StartAlone,
    /// A peer opens its journal as soon as W−1 partners answered.
    StartHasty,
    /// What a partner saw is not looked at once the journal is open.
    LateAnswerIgnored,
    /// The journal goes on although partners saw more of it than the disk has.
    ResumeContradicted,
    /// A new incarnation takes the number of the last one.
    IncarnationReused,
    /// A partner is not told what was seen of it.
    SeenNotTold,
    /// What was seen of a partner is not written down.
    SeenNotKept,
    /// The time of a block is the wall clock's, whatever the block before says.
    TimeGoesBack,
    /// Records and transactions of a block are written with the next batch.
    RecordsLate,
    /// An element that the store has is added again.
    RepeatOfStored,
    /// An element of the block under construction is added again.
    RepeatOfPending,
    /// The offset of a block counts the items before it, not the elements.
    OffsetCountsItems,
    /// The aggregator keeps the position of blocks that it read and did not emit.
    AggregatorCursorEarly,
    /// The aggregator drops a transaction whose records are not here yet.
    AggregatorDropsBlocked,
    /// The aggregator does not read the journal of an old disk again that came back.
    AggregatorOldDisk,
    /// The index commits its cursor, and the documents with the next commit.
    IndexCursorFirst,
    /// The index drops an update that comes before anything else of its canonical.
    IndexUnknownDropped,
    /// The digest of the index keeps the documents that were replaced.
    IndexDigestGrows,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 42] = [
        Self::QuorumOneShort,
        Self::AllIsQuorum,
        Self::AnyCell,
        Self::LateIsAcked,
        Self::JoinedByOld,
        Self::ReceiptNamesAll,
        Self::WaitingBytesKept,
        Self::ConfirmBeforeSync,
        Self::PublishBeforeSync,
        Self::HeartbeatBeforeSync,
        Self::CursorBeforeApply,
        Self::CursorOffByOne,
        Self::WaitsAcrossLinks,
        Self::PartIsWhole,
        Self::PartNotKept,
        Self::HintOverwritten,
        Self::RepeatUnconfirmed,
        Self::ChainNotKept,
        Self::OldDiskNotReread,
        Self::AnswerWhileFilling,
        Self::SettleEarly,
        Self::SettledForever,
        Self::SettleByFilling,
        Self::SignBeforePartners,
        Self::StartAlone,
        Self::StartHasty,
        Self::LateAnswerIgnored,
        Self::ResumeContradicted,
        Self::IncarnationReused,
        Self::SeenNotTold,
        Self::SeenNotKept,
        Self::TimeGoesBack,
        Self::RecordsLate,
        Self::RepeatOfStored,
        Self::RepeatOfPending,
        Self::OffsetCountsItems,
        Self::AggregatorCursorEarly,
        Self::AggregatorDropsBlocked,
        Self::AggregatorOldDisk,
        Self::IndexCursorFirst,
        Self::IndexUnknownDropped,
        Self::IndexDigestGrows,
    ];

    /// In a few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QuorumOneShort => "quorum-one-short",
            Self::AllIsQuorum => "all-is-quorum",
            Self::AnyCell => "any-cell",
            Self::LateIsAcked => "late-is-acked",
            Self::JoinedByOld => "joined-by-old",
            Self::ReceiptNamesAll => "receipt-names-all",
            Self::WaitingBytesKept => "waiting-bytes-kept",
            Self::ConfirmBeforeSync => "confirm-before-sync",
            Self::PublishBeforeSync => "publish-before-sync",
            Self::HeartbeatBeforeSync => "heartbeat-before-sync",
            Self::CursorBeforeApply => "cursor-before-apply",
            Self::CursorOffByOne => "cursor-off-by-one",
            Self::WaitsAcrossLinks => "waits-across-links",
            Self::PartIsWhole => "part-is-whole",
            Self::PartNotKept => "part-not-kept",
            Self::HintOverwritten => "hint-overwritten",
            Self::RepeatUnconfirmed => "repeat-unconfirmed",
            Self::ChainNotKept => "chain-not-kept",
            Self::OldDiskNotReread => "old-disk-not-reread",
            Self::AnswerWhileFilling => "answer-while-filling",
            Self::SettleEarly => "settle-early",
            Self::SettledForever => "settled-forever",
            Self::SettleByFilling => "settle-by-filling",
            Self::SignBeforePartners => "sign-before-partners",
            Self::StartAlone => "start-alone",
            Self::StartHasty => "start-hasty",
            Self::LateAnswerIgnored => "late-answer-ignored",
            Self::ResumeContradicted => "resume-contradicted",
            Self::IncarnationReused => "incarnation-reused",
            Self::SeenNotTold => "seen-not-told",
            Self::SeenNotKept => "seen-not-kept",
            Self::TimeGoesBack => "time-goes-back",
            Self::RecordsLate => "records-late",
            Self::RepeatOfStored => "repeat-of-stored",
            Self::RepeatOfPending => "repeat-of-pending",
            Self::OffsetCountsItems => "offset-counts-items",
            Self::AggregatorCursorEarly => "aggregator-cursor-early",
            Self::AggregatorDropsBlocked => "aggregator-drops-blocked",
            Self::AggregatorOldDisk => "aggregator-old-disk",
            Self::IndexCursorFirst => "index-cursor-first",
            Self::IndexUnknownDropped => "index-unknown-dropped",
            Self::IndexDigestGrows => "index-digest-grows",
        }
    }
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
        let mut all = Self::ALL.into_iter();
        all.find(|plant| plant.as_str() == name).ok_or(UnknownPlant)
    }
}
