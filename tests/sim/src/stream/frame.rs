//! The frames that a reader receives, and the state of subscriptions.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{StoredBlock, place::Place};
use kittengrad_proto::{
    certificate::Chain,
    cursor::Cursor,
    id::RecordId,
    identity::Beat,
    transaction::{Element, Transaction},
    wire::cursor_problem::Kind,
};

use crate::host::Node;

/// A frame of a journal.
#[derive(Debug, Clone)]
pub(crate) enum StreamFrame {
    /// The next block with its transactions and records.
    Block(Box<StreamBlock>),
    /// The head of the journal.
    Alive(Box<Beat>),
    /// The journal cannot start at the requested place; the cursor is a possible start.
    Problem(Kind, Option<Cursor>),
}

/// A block with the bodies of its transactions, or without.
#[derive(Debug, Clone)]
pub(crate) struct StreamBlock {
    pub(crate) stored: StoredBlock,
    /// `None` if the reader did not ask for bodies.
    pub(crate) entries: Option<Vec<StreamEntry>>,
}

/// One transaction of a block.
#[derive(Debug, Clone)]
pub(crate) struct StreamEntry {
    pub(crate) transaction: Arc<Transaction>,
    pub(crate) added: Vec<Element>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
    pub(crate) chain: Arc<Chain>,
}

/// The reason why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The owner is down or stopped.
    Unreachable,
    /// No frame came for too long.
    Silent,
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) reader: Node,
    pub(crate) reader_run: u64,
    pub(crate) source: Node,
    pub(crate) has_bodies: bool,
    /// The number of the process that serves it; `None` before the request arrives.
    pub(crate) source_run: Option<u64>,
    /// The next block; `None` while the journal has none.
    pub(crate) place: Option<Place>,
    /// Blocks that were sent and not yet released by the reader.
    pub(crate) flying: usize,
    pub(crate) window: usize,
    pub(crate) busy_until_us: u64,
    pub(crate) has_heard_head: bool,
    pub(crate) said_us: u64,
    pub(crate) heard_us: u64,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) streams: BTreeMap<u64, Stream>,
    pub(crate) count: u64,
}
