//! Subscribing to the journal of a peer or an aggregator: verified, resumable, without silent gaps.
//!
//! Every block's root, signature and link, every transaction's signature, certificates and bitmap, and every
//! record's digest are checked before they are handed on; what does not verify ends the subscription with a
//! [`FrameFault`]. A lost or silent connection is made again, and the stream goes on after the last block that
//! was handed on. Blocks are checked side by side on the runtime's blocking threads and handed on in order.
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
use kittengrad_proto::{
    block::{Head, Header, Item},
    cursor::{Cursor, Position},
    id::{PublicKey, RecordId},
    identity::Heartbeat,
    transaction::{Element, Transaction},
    wire,
};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

pub use frame::{BodyFault, CheckedBlock, FrameFault};

pub(crate) use frame::check_block;

use crate::{client::Client, fault::CallError, vouched::Vouched};

/// Events that wait for their reader; a block is one of them.
const EVENTS_MAX: usize = 2;

/// How much comes with each block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Header and items.
    None,
    /// Transactions too, whose signatures are verified, but not who vouches for their publishers.
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

/// Where to begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first block that the source still has.
    #[default]
    Genesis,
    /// With the next block that the source cuts.
    Now,
    /// After a cursor, and after some elements of the block that follows it.
    Cursor(Position),
    /// After a block that was read before: unlike a cursor this notices if the source now shows another one.
    Resume(Resume),
}

/// A block that was read, to go on after it later. From [`VerifiedBlock::resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The block.
    pub head: Head,
    /// Its time, in Unix milliseconds.
    pub time_ms: u64,
    /// Elements of the incarnation up to and with it, if known.
    pub offset: Option<u64>,
}

/// How to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Where to begin.
    pub start: Start,
    /// How much comes with each block.
    pub bodies: Bodies,
    /// Whether to go on when the source's head has been read.
    pub follow: bool,
    /// End with [`SubscribeError::Unreachable`] if nothing came for so long; without it, wait for ever.
    pub give_up_after: Option<Duration>,
}

/// Everything from the genesis on, for ever.
impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            start: Start::Genesis,
            bodies: Bodies::Records,
            follow: true,
            give_up_after: None,
        }
    }
}

/// What a subscription tells.
#[derive(Debug, Clone)]
pub enum Event {
    /// The next block, verified.
    Block(VerifiedBlock),
    /// The next block is the genesis of an incarnation. If it is not the first one, the source lost blocks that it
    /// had shown. What its disk still has does not come again (rfd 4); what it lost comes again as new elements.
    Began {
        /// The incarnation.
        incarnation: u64,
        /// The last head of the incarnation before that its owner knows of.
        fork: Option<Head>,
    },
    /// The source says that blocks of an earlier incarnation are lost.
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
    /// The source is alive and says where its head is.
    Alive(Heartbeat),
    /// The connection is lost and will be made again.
    Waiting {
        /// Why it was lost.
        error: CallError,
        /// When it is made again.
        retry_in: Duration,
    },
}

/// A block that was verified and continues the one before.
#[derive(Debug, Clone)]
pub struct VerifiedBlock {
    /// The signed header.
    pub header: Header,
    /// Its items.
    pub items: Vec<Item>,
    /// The items' bytes, as signed.
    pub item_bytes: Vec<Bytes>,
    /// Elements of the incarnation before the first one of `entries`. Counted here; where the subscription began
    /// after the genesis, from a number that the source does not sign.
    pub offset: u64,
    /// Elements that the block adds, with those that were skipped.
    pub added: u64,
    /// Elements at its beginning that are left out of `entries`, because the start was behind them.
    pub skipped: u64,
    /// Its transactions, if bodies were asked for.
    pub entries: Vec<VerifiedEntry>,
}

/// A transaction of a block.
#[derive(Debug, Clone)]
pub struct VerifiedEntry {
    /// Number of its item in the block.
    pub item: usize,
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// The elements that the block adds of it, in its order.
    pub added: Vec<Element>,
    /// Records of these elements, as far as they came.
    pub records: BTreeMap<RecordId, Bytes>,
    /// Who vouches for its publisher. Always there with [`Bodies::Records`]; certificates do not come with less.
    pub publisher: Option<Arc<Vouched>>,
}

/// One element of a block and its place in the journal.
#[derive(Debug, Clone, Copy)]
pub struct ElementAt<'a> {
    /// The element.
    pub element: Element,
    /// The transaction that it is of.
    pub entry: &'a VerifiedEntry,
    /// Its number in the incarnation, from 0.
    pub offset: u64,
    /// Where a reader is that has processed it.
    pub position: Position,
}

impl VerifiedBlock {
    /// Where a reader is that has processed the block.
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

    /// To go on after this block later.
    #[must_use]
    pub const fn resume(&self) -> Resume {
        let offset = Some((self.offset - self.skipped).saturating_add(self.added));
        Resume {
            head: self.header.head(),
            time_ms: self.header.time_ms,
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

/// Why a subscription ended before its end. What was handed on before holds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscribeError {
    /// The source sent something that does not verify.
    #[error("{0}")]
    Tampered(#[from] FrameFault),
    /// Blocks at the cursor are gone.
    #[error("the source no longer has what follows the cursor; it begins at {start}")]
    TooOld {
        /// The first block there is.
        start: Cursor,
    },
    /// The cursor is beyond what the source has of its incarnation: it lost its last blocks, or never had them.
    #[error("the cursor is beyond what the journal has; it goes on at {start}")]
    Future {
        /// Where the journal goes on.
        start: Cursor,
    },
    /// The source has no such incarnation.
    #[error("the source has no incarnation of that number; the current one begins at {start}")]
    UnknownIncarnation {
        /// Where its current incarnation begins.
        start: Cursor,
    },
    /// The position to begin behind has more elements than its block.
    #[error("block {height} adds {added} elements, the position is behind {elements} of them")]
    BehindBlock {
        /// Height of the block.
        height: u64,
        /// Elements that the block adds.
        added: u64,
        /// Elements in the position.
        elements: u64,
    },
    /// The cursor is of another journal.
    #[error("the cursor is of another journal")]
    OtherJournal,
    /// The source refuses for a reason that will not go away.
    #[error("{0}")]
    Refused(CallError),
    /// Nothing came for as long as was to be waited.
    #[error("{0}")]
    Unreachable(CallError),
}

/// A stream of events, ended by `None` or after the first error. Dropping it ends the reading.
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
    /// Subscribes to the journal of `source`, a peer or an aggregator. To be called within a tokio runtime.
    #[must_use]
    pub fn subscribe(&self, source: PublicKey, options: SubscribeOptions) -> Subscription {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let client = self.clone();
        let is_other = matches!(options.start, Start::Cursor(at) if at.cursor.journal != source);
        let task = async move {
            if is_other {
                // If nobody listens, nobody has to hear of it.
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
