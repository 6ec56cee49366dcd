//! What goes into an aggregator's core and what comes out of it.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{JournalError, StateError, StoreError, Tip, Write};
use kittengrad_proto::{
    block::{Block, Head},
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    identity::Heartbeat,
    transaction::Transaction,
};
use thiserror::Error;

use crate::plan::Plan;

/// The two clocks, read by the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed moment; orders deadlines, never goes back.
    pub monotonic_ms: u64,
    /// Unix time in milliseconds; block times and the age of heads are taken from it.
    pub wall_ms: u64,
}

/// How long the core waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A transaction waits so long for records that its source does not have.
    pub record_ms: u64,
    /// A fetch that brought nothing is made again after this.
    pub fetch_ms: u64,
    /// After a wait for records was in vain, so long nothing waits that no journal lists yet.
    pub hopeless_ms: u64,
    /// A source's signed head counts as fresh for so long.
    pub fresh_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            record_ms: 3_000,
            fetch_ms: 500,
            hopeless_ms: 10_000,
            fresh_ms: 5_000,
        }
    }
}

/// A block of a source: structure, signature and bodies were verified.
#[derive(Debug, Clone)]
pub struct SourceBlock {
    /// Header and items. The link to the block before is checked by the core.
    pub block: Block,
    /// One for each transaction item, in order.
    pub entries: Vec<SourceEntry>,
}

/// The body of a transaction item.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// The transaction; its signature and publisher were verified.
    pub transaction: Arc<Transaction>,
    /// Records of what the item adds, as far as they came; each says what its element needs it to say.
    pub records: BTreeMap<RecordId, Bytes>,
    /// Vouches for the publisher.
    pub chain: Arc<Chain>,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// These sources are to be followed from now on.
    Plan(Plan),
    /// The next block of a source, or one that was handed in before.
    Block(PublicKey, Box<SourceBlock>),
    /// A source said its head again; the signature was verified.
    Alive(PublicKey, Heartbeat),
    /// A source cannot be followed at the moment.
    Down(PublicKey, String),
    /// A source showed something that does not verify, and is not followed any more.
    Lying(PublicKey, String),
    /// A source that lied is tried again, from the last block that was emitted.
    Retry(PublicKey),
    /// Bytes of records that were fetched.
    Records(Vec<Bytes>),
    /// Time went by; at least once a second.
    Tick,
    /// The end of a round: what was added becomes a block.
    Flush,
}

/// A record to get from the peers that hold its canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetch {
    /// Where on the ring to ask.
    pub canonical: RecordId,
    /// What to ask for: the canonical's own record or an update's.
    pub record: RecordId,
}

/// Something that the edge counts, logs or shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source's journal went on in a new incarnation.
    Began {
        /// Whose.
        source: PublicKey,
        /// Which.
        incarnation: u64,
    },
    /// A source says that blocks of an earlier incarnation are lost.
    Gap {
        /// Whose.
        source: PublicKey,
        /// Of which incarnation.
        incarnation: u64,
        /// The first height that is lost.
        from_height: u64,
    },
    /// A source's journal goes on from an old disk: it is to be read again, from where [`Aggregator::taken`] says now.
    ///
    /// [`Aggregator::taken`]: crate::Aggregator::taken
    Behind {
        /// Which source.
        source: PublicKey,
    },
    /// A source answers again, or does not any more.
    Source {
        /// Which.
        source: PublicKey,
        /// Why it is waited for; `None` if it answers.
        waiting: Option<String>,
    },
    /// A source showed something that does not verify. It is followed no further.
    Lied {
        /// Which.
        source: PublicKey,
        /// What it did.
        why: String,
    },
    /// Records could not be fetched in time: elements that a journal lists were emitted without their bytes.
    WithoutRecords {
        /// The transaction.
        transaction: Id,
        /// How many records.
        records: usize,
    },
    /// Records could not be fetched in time: elements that no journal lists yet were left for later.
    Partly {
        /// The transaction.
        transaction: Id,
        /// How many canonicals of it.
        canonicals: usize,
    },
}

/// Everything that one call decided.
#[derive(Debug, Default)]
pub struct Output {
    /// To be committed in one synced batch.
    pub writes: Vec<Write>,
    /// The journal's head, to be published after the commit.
    pub tip: Option<Tip>,
    /// To be sent after the commit; what came is handed in as [`Input::Records`].
    pub fetches: Vec<Fetch>,
    /// Blocks that need no more memory: whose, and how many.
    pub done: BTreeMap<PublicKey, usize>,
    /// To be counted and logged.
    pub events: Vec<Event>,
    /// The block under construction is full: flush before anything else.
    pub is_full: bool,
}

/// Why an aggregator cannot go on: its store failed. The driver stops the process.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatal {
    /// The store did not answer, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store says of the past is damaged.
    #[error(transparent)]
    State(#[from] StateError),
    /// What the store says of a source is damaged.
    #[error("store is damaged: what it says of the arcs of {source_key} has {bytes} bytes")]
    Settled {
        /// Which source.
        source_key: PublicKey,
        /// How many bytes there are.
        bytes: usize,
    },
    /// What the store says of absent records is damaged.
    #[error("store is damaged: what it says of absent records has {bytes} bytes")]
    Absent {
        /// How many bytes there are.
        bytes: usize,
    },
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A head that its owner signed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) head: Head,
    pub(crate) at: Moment,
    /// It was the last one when it was heard: the source said so, or signed it just then. A block from long ago says
    /// nothing of what came after it.
    pub(crate) is_current: bool,
}

/// When something was signed, and when it was heard: neither clock alone says how old it is, for the owner's may
/// be ahead and ours may be set back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix milliseconds, by the clock of whoever signed.
    pub(crate) signed_ms: u64,
    /// Our monotonic time.
    pub(crate) heard_ms: u64,
}

impl Moment {
    /// How long ago it was at least.
    pub(crate) fn age_ms(self, now: Now) -> u64 {
        let by_wall = now.wall_ms.saturating_sub(self.signed_ms);
        by_wall.max(now.monotonic_ms.saturating_sub(self.heard_ms))
    }

    /// How far ahead of our clock it was signed.
    pub(crate) const fn ahead_ms(self, now: Now) -> u64 {
        self.signed_ms.saturating_sub(now.wall_ms)
    }

    /// Whether it was less than `fresh_ms` ago. What is dated further ahead than that says nothing about now.
    pub(crate) fn is_young(self, now: Now, fresh_ms: u64) -> bool {
        self.age_ms(now) < fresh_ms && self.ahead_ms(now) <= fresh_ms
    }
}
