//! The catalogue of mistakes: the name of each, and one sentence that describes it.

use core::{fmt, str::FromStr};

/// Makes the enum, the names and the sentences from one list.
macro_rules! catalogue {
    ($(#[doc = $sentence:literal] $Plant:ident = $name:literal,)*) => {
        /// A mistake in the code of a core.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $(#[doc = $sentence] $Plant,)*
        }

        impl Plant {
            /// All mistakes, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$Plant,)*];

            /// The name in options, tables and messages, for example `any-cell`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Plant => $name,)*
                }
            }

            /// The description of the mistake, in one sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$Plant => $sentence.trim_ascii(),)*
                }
            }
        }
    };
}

catalogue! {
    /// A submission is acknowledged one disk before its quorum.
    QuorumOneShort = "quorum-one-short",
    /// A client that asks for all disks gets its answer when a quorum has the transaction.
    AllIsQuorum = "all-is-quorum",
    /// A quorum in one of the cells of a transaction is enough.
    AnyCell = "any-cell",
    /// A submission counts as acknowledged when its time is over.
    LateIsAcked = "late-is-acked",
    /// A request that joins another one is answered by confirmations from before the request.
    JoinedByOld = "joined-by-old",
    /// A receipt names all replicas of a cell, also those that did not confirm.
    ReceiptNamesAll = "receipt-names-all",
    /// The bytes of an answered submission still count as waiting.
    WaitingBytesKept = "waiting-bytes-kept",
    /// A confirmation leaves before the batch that it vouches for is synced.
    ConfirmBeforeSync = "confirm-before-sync",
    /// Blocks leave before the batch that holds them is synced.
    PublishBeforeSync = "publish-before-sync",
    /// A heartbeat leaves before the head that it signs is synced.
    HeartbeatBeforeSync = "heartbeat-before-sync",
    /// The position on disk in a partner's journal is that of the last block read, not of the last block applied.
    CursorBeforeApply = "cursor-before-apply",
    /// A partner is asked for the block after the next one.
    CursorOffByOne = "cursor-off-by-one",
    /// When a link goes down, blocks that wait for transactions are not asked for again.
    WaitsAcrossLinks = "waits-across-links",
    /// A transaction counts as whole after a part of it came.
    PartIsWhole = "part-is-whole",
    /// The note that a part of a transaction is missing is not written to disk.
    PartNotKept = "part-not-kept",
    /// The cells of an item are those of its last element only.
    CellOverwritten = "cell-overwritten",
    /// A push without new elements is not confirmed.
    RepeatUnconfirmed = "repeat-unconfirmed",
    /// The certificates of a publisher are not written to disk.
    ChainNotKept = "chain-not-kept",
    /// The journal of an old disk that comes back is not read again.
    OldDiskNotReread = "old-disk-not-reread",
    /// A filling peer answers readers.
    AnswerWhileFilling = "answer-while-filling",
    /// A partner's journal counts as read as soon as its head is known.
    SettleEarly = "settle-early",
    /// A peer that was settled once is settled in every incarnation.
    SettledForever = "settled-forever",
    /// A filling partner counts as settled.
    SettleByFilling = "settle-by-filling",
    /// A peer signs before its partners tell which of its heads they saw.
    SignBeforePartners = "sign-before-partners",
    /// A peer signs after the suspicion time although no partner answered.
    StartAlone = "start-alone",
    /// A peer opens its journal as soon as W−1 partners answered.
    StartHasty = "start-hasty",
    /// The head that a partner saw is ignored once the journal is open.
    LateAnswerIgnored = "late-answer-ignored",
    /// The journal is resumed although partners saw blocks that the disk lost.
    ResumeContradicted = "resume-contradicted",
    /// A new incarnation takes the number of the last one.
    IncarnationReused = "incarnation-reused",
    /// A partner is not told which of its heads this peer saw.
    SeenNotTold = "seen-not-told",
    /// The highest head seen of a partner is not written to disk.
    SeenNotKept = "seen-not-kept",
    /// The time of a block is the wall clock's, even if the block before it is later.
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
    /// The aggregator emits all elements of a transaction although its source lists a part of them.
    AggregatorEmitsWhole = "aggregator-emits-whole",
    /// The aggregator does not write to disk which records are absent.
    AggregatorForgetsAbsent = "aggregator-forgets-absent",
    /// The aggregator does not read the journal of an old disk again when the disk comes back.
    AggregatorOldDisk = "aggregator-old-disk",
    /// The aggregator passes an item without a body although its set lacks the elements.
    ItemsPassUnread = "items-pass-unread",
    /// An aggregator continues its last incarnation after a start.
    AggregatorResumes = "aggregator-resumes",
    /// An aggregator takes a cell for complete with one replica established.
    OneReplicaSuffices = "one-replica-suffices",
    /// An aggregator states the best word of any source for a journal, not the least over its cells.
    BestWordCounts = "best-word-counts",
    /// An aggregator dates a head by its arrival, not by the question.
    HeadBeforeQuestion = "head-before-question",
    /// An aggregator believes replicas and sources that are filling.
    FillingVouches = "filling-vouches",
    /// An aggregator counts a journal as read up to the last head that it heard of.
    CompleteFromHeads = "complete-from-heads",
    /// An aggregator believes a checkpoint before it has read the block that the checkpoint describes.
    VouchedBeforeRead = "vouched-before-read",
    /// An aggregator takes a word for another block at the height of a head as a word for the head.
    ThroughWithoutHash = "through-without-hash",
    /// An aggregator does not check that the elements of an item lie in the arcs that the journal's owner holds.
    RangeUnchecked = "range-unchecked",
    /// A peer journals that it is settled whenever it read on in a partner's journal.
    CheckpointAnswered = "checkpoint-answered",
    /// The height in a checkpoint of a header goes back.
    CheckpointGoesBack = "checkpoint-goes-back",
    /// The tree over all blocks leaves out every eighth block.
    BlockTreeSkips = "block-tree-skips",
    /// The planner does not plan again for arcs without a source.
    UncoveredForgotten = "uncovered-forgotten",
    /// A position in a partner's journal is stated as of the last block read, not of the last block applied.
    ThroughBeforeApply = "through-before-apply",
    /// The index commits its cursor, and the documents with the next commit.
    IndexCursorFirst = "index-cursor-first",
    /// The index drops an update that comes before all other elements of its canonical.
    IndexUnknownDropped = "index-unknown-dropped",
    /// The digest of the index keeps replaced documents.
    IndexDigestGrows = "index-digest-grows",
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not a planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPlant;

impl fmt::Display for UnknownPlant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a planted bug")
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
