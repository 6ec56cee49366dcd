//! Subscriptions to the journal of a peer or an aggregator: verified, resumable, without silent gaps.
//!
//! Each block is checked before it is passed on: root, signature and link, the signature, certificates and bitmap of
//! each transaction, the digest of each record. A block that does not verify ends the subscription with a
//! [`FrameFault`]. A lost or silent connection is opened again, and the stream continues after the last block that was
//! passed on. Blocks are checked in parallel on the runtime's blocking threads, and passed on in order.
//!
//! ```no_run
//! # async fn example(client: kittengrad_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use kittengrad_client::subscribe::{Event, SubscribeOptions};
//!
//! let source = client.aggregator().ok_or("no aggregator")?;
//! let mut subscription = client.subscribe(source, SubscribeOptions::default());
//! while let Some(event) = subscription.next().await {
//!     if let Event::Block(block) = event? {
//!         for at in block.elements() {
//!             println!("{} {:?} {}", at.element.canonical, at.element.update, at.position);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod accuse;
mod frame;
mod reader;
mod task;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use kittengrad_journal::ReadFrom;
use kittengrad_proto::{
    block::{Head, Header, Holds, Item},
    checkpoint::ThroughList,
    cursor::{Cursor, Position},
    evidence::Evidence,
    id::{PublicKey, RecordId},
    identity::Beat,
    signed_head::SignedHead,
    transaction::{Element, Transaction},
    wire,
};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

pub use frame::{BodyFault, CheckedBlock, FrameFault};

pub(crate) use frame::check_block;

use crate::{client::Client, fault::CallError, vouched::Vouched};

/// Events that wait for the reader. One block is one event.
const EVENTS_MAX: usize = 2;

/// The content that comes with each block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Header and items.
    None,
    /// Transactions too. Their signatures are verified, the certificates of their publishers are not.
    Transactions,
    /// Transactions, the certificates of their publishers, and the records that the source has.
    #[default]
    Records,
}

impl Bodies {
    pub(crate) const fn to_wire(self) -> wire::WithBodies {
        match self {
            Self::None => wire::WithBodies::Unspecified,
            Self::Transactions => wire::WithBodies::Transactions,
            Self::Records => wire::WithBodies::Records,
        }
    }
}

/// The start of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Start {
    /// The first block that the source still has.
    #[default]
    Genesis,
    /// With the next block that the source cuts.
    Now,
    /// After a cursor, and after some elements of the next block.
    Cursor(Position),
    /// After a block that was read before. Unlike a cursor, this detects that the source now has another block there.
    Resume(Resume),
}

impl From<ReadFrom> for Start {
    fn from(from: ReadFrom) -> Self {
        match from {
            ReadFrom::Genesis => Self::Genesis,
            ReadFrom::At(cursor) => Self::Cursor(Position {
                cursor,
                elements: 0,
            }),
            ReadFrom::After {
                head,
                time_ms,
                holds,
            } => Self::Resume(Resume {
                head,
                time_ms,
                holds,
                offset: None,
            }),
        }
    }
}

/// The end of a block that was read, to continue after it later. From [`VerifiedBlock::resume`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The block.
    pub head: Head,
    /// Its time, in Unix milliseconds.
    pub time_ms: u64,
    /// The arcs that the journal's owner held after it. Without them, items are checked against them only after the
    /// next `hold`.
    pub holds: Option<Holds>,
    /// Elements of the incarnation up to the end of the block, if known.
    pub offset: Option<u64>,
}

/// Options of a subscription.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    /// The start.
    pub start: Start,
    /// The content of blocks.
    pub bodies: Bodies,
    /// Whether to continue after the source's head.
    pub follow: bool,
    /// Ends with [`SubscribeError::Unreachable`] if nothing arrives for this time. Without it, the subscription waits
    /// for ever.
    pub give_up_after: Option<Duration>,
    /// The last head of the caller's own journal, if it has one. The source keeps it, and refuses a caller that signed
    /// two blocks for one height.
    pub own_head: Option<watch::Receiver<Option<Arc<SignedHead>>>>,
}

/// Everything from the genesis on, without an end.
impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            start: Start::Genesis,
            bodies: Bodies::Records,
            follow: true,
            give_up_after: None,
            own_head: None,
        }
    }
}

/// An event of a subscription.
#[derive(Debug, Clone)]
pub enum Event {
    /// The next block, verified.
    Block(Box<VerifiedBlock>),
    /// The next block is the genesis of an incarnation. Unless it is the first one, the source lost blocks that it had
    /// shown. Elements that are still on its disk do not come again (rfd 4); elements that it lost come again as new
    /// ones.
    Began {
        /// The incarnation.
        incarnation: u64,
        /// The last head of the previous incarnation that its owner knows.
        fork: Option<Head>,
    },
    /// The source signed that blocks of an earlier incarnation are lost.
    Gap {
        /// The incarnation.
        incarnation: u64,
        /// The first height that is lost.
        from_height: u64,
    },
    /// The source no longer has the blocks before the next one.
    Missing {
        /// The incarnation.
        incarnation: u64,
        /// The height of the next block.
        to_height: u64,
    },
    /// The source is alive, and this is its head.
    Alive(Box<Beat>),
    /// The source signed data that breaks a rule. [`Evidence::check`] says which; a reader that began in the middle of the
    /// journal may lack a part. The error comes next.
    Evidence(Box<Evidence>),
    /// The connection is lost and will be opened again.
    Waiting {
        /// The reason.
        error: CallError,
        /// The time until then.
        retry_in: Duration,
    },
}

/// A verified block that continues the previous one.
#[derive(Debug, Clone)]
pub struct VerifiedBlock {
    /// The signed header.
    pub header: Header,
    /// The arcs that the journal's owner holds from the block on. `None` if the subscription started in the middle and
    /// met no `hold` yet.
    pub holds: Option<Holds>,
    /// Its items.
    pub items: Vec<Item>,
    /// The items' bytes, as signed.
    pub item_bytes: Vec<Bytes>,
    /// The positions in other journals whose root the header's checkpoint signs. Empty without a checkpoint.
    pub through: ThroughList,
    /// Elements of the incarnation before the first one of `entries`. This client counts them. If the subscription
    /// started after the genesis, the count starts at a number that the source does not sign.
    pub offset: u64,
    /// Elements that the block adds, including skipped ones.
    pub added: u64,
    /// Elements at its beginning that are not in `entries`, because the start was after them.
    pub skipped: u64,
    /// Its transactions, if bodies were requested.
    pub entries: Vec<VerifiedEntry>,
}

/// A transaction of a block.
#[derive(Debug, Clone)]
pub struct VerifiedEntry {
    /// Number of its item in the block.
    pub item: usize,
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// The elements that the block adds of the transaction, in its order.
    pub added: Vec<Element>,
    /// Records of these elements, as far as they arrived.
    pub records: BTreeMap<RecordId, Bytes>,
    /// The verified chain of its publisher. Always present with [`Bodies::Records`]; the other options bring no chains.
    pub publisher: Option<Arc<Vouched>>,
}

/// One element of a block and its place in the journal.
#[derive(Debug, Clone, Copy)]
pub struct ElementAt<'a> {
    /// The element.
    pub element: Element,
    /// Its transaction.
    pub entry: &'a VerifiedEntry,
    /// Its number in the incarnation, from 0.
    pub offset: u64,
    /// The position of a reader that has processed it.
    pub position: Position,
}

impl VerifiedBlock {
    /// The cursor of a reader that has processed the block.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        let Header {
            peer,
            incarnation,
            height,
            ..
        } = self.header;
        Cursor {
            journal: peer,
            incarnation,
            height: Some(height),
        }
    }

    /// The value to continue after this block later.
    #[must_use]
    pub fn resume(&self) -> Resume {
        let offset = Some((self.offset - self.skipped).saturating_add(self.added));
        Resume {
            head: self.header.head(),
            time_ms: self.header.time_ms,
            holds: self.holds.clone(),
            offset,
        }
    }

    /// The elements of `entries` one by one, each with its place.
    pub fn elements(&self) -> impl Iterator<Item = ElementAt<'_>> {
        let before = Cursor {
            height: self.header.height.checked_sub(1),
            ..self.cursor()
        };
        let all = self
            .entries
            .iter()
            .flat_map(|entry| entry.added.iter().map(move |element| (entry, *element)));
        (1..).zip(all).map(move |(count, (entry, element))| {
            let elements = self.skipped + count;
            let position = if elements < self.added {
                Position {
                    cursor: before,
                    elements,
                }
            } else {
                Position {
                    cursor: self.cursor(),
                    elements: 0,
                }
            };
            ElementAt {
                element,
                entry,
                offset: self.offset + count - 1,
                position,
            }
        })
    }
}

/// Why a subscription ended early. Events before the error are valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscribeError {
    /// The source sent a frame that does not verify.
    #[error("{0}")]
    Tampered(#[from] FrameFault),
    /// Blocks after the cursor no longer exist.
    #[error("the source no longer has the blocks after the cursor; read on from {start}")]
    TooOld {
        /// The first block that exists.
        start: Cursor,
    },
    /// The cursor is after the end of its incarnation: the source lost its last blocks, or never had them.
    #[error("the cursor is past the end of the journal; read on from {start}")]
    Future {
        /// The place at which the journal continues.
        start: Cursor,
    },
    /// The source does not have this incarnation, because it has another disk. Read its journal from the genesis: blocks
    /// that were never read may be in incarnations before `start`.
    #[error("the source does not have the cursor's incarnation; the current one starts at {start}")]
    UnknownIncarnation {
        /// The beginning of its current incarnation.
        start: Cursor,
    },
    /// The position is after more elements than its block has.
    #[error("block {height} adds {added} elements; the position is after element {elements}")]
    BehindBlock {
        /// Height of the block.
        height: u64,
        /// Elements that the block adds.
        added: u64,
        /// Elements in the position.
        elements: u64,
    },
    /// The cursor belongs to another journal.
    #[error("the cursor belongs to another journal")]
    OtherJournal,
    /// The source refuses, and will refuse again.
    #[error("{0}")]
    Refused(CallError),
    /// Nothing arrived within the time given.
    #[error("{0}")]
    Unreachable(CallError),
}

/// A stream of events. It ends with `None` or after the first error. Dropping it stops the reader.
#[derive(Debug)]
pub struct Subscription {
    events: mpsc::Receiver<Result<Event, SubscribeError>>,
    _task: AbortOnDropHandle<()>,
}

impl Subscription {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        self.events.recv().await
    }
}

impl Stream for Subscription {
    type Item = Result<Event, SubscribeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}

impl Client {
    /// Subscribes to the journal of `source`, a peer or an aggregator. Must be called in a tokio runtime.
    #[must_use]
    pub fn subscribe(&self, source: PublicKey, options: SubscribeOptions) -> Subscription {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let client = self.clone();
        let is_other = matches!(options.start, Start::Cursor(at) if at.cursor.journal != source);
        let task = async move {
            if is_other {
                // A dropped subscription needs no event.
                let _ = sender.send(Err(SubscribeError::OtherJournal)).await;
                return;
            }
            task::Task {
                client,
                source,
                options,
                events: sender,
            }
            .run()
            .await;
        };
        Subscription {
            events,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }
}
