//! What a reader hears, and the subscriptions that there are.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{StoredBlock, place::Place};
use kittengrad_proto::{
    certificate::Chain,
    cursor::Cursor,
    id::RecordId,
    identity::Heartbeat,
    transaction::{Element, Transaction},
    wire::cursor_problem::Kind,
};

use crate::host::Node;

/// What a reader hears.
#[derive(Debug, Clone)]
pub(crate) enum StreamFrame {
    /// The next block with everything in it.
    Block(Box<StreamBlock>),
    /// Where the journal ends.
    Alive(Heartbeat),
    /// It cannot begin where the reader wants; where it can.
    Problem(Kind, Option<Cursor>),
}

/// A block with the bodies of its transactions.
#[derive(Debug, Clone)]
pub(crate) struct StreamBlock {
    pub(crate) stored: StoredBlock,
    pub(crate) entries: Vec<StreamEntry>,
}

/// One transaction of a block.
#[derive(Debug, Clone)]
pub(crate) struct StreamEntry {
    pub(crate) transaction: Arc<Transaction>,
    pub(crate) added: Vec<Element>,
    pub(crate) records: BTreeMap<RecordId, Bytes>,
    pub(crate) chain: Arc<Chain>,
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody is there, or not any more.
    Unreachable,
    /// Nothing came for too long.
    Silent,
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) reader: Node,
    pub(crate) reader_run: u64,
    pub(crate) source: Node,
    /// The process that serves it; `None` until it was asked.
    pub(crate) source_run: Option<u64>,
    /// The next block; `None` while the journal has none.
    pub(crate) place: Option<Place>,
    /// Frames that were sent and that the reader did not let go of yet.
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
