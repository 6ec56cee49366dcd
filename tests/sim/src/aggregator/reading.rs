//! The running subscriptions and fetches of an aggregator.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use kittengrad_aggregator_core::{Fetch, Mode, follow};

use crate::stream::{Reader, StreamBlock};

/// The subscription to one source.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) stream: Option<u64>,
    pub(super) reader: Reader,
    pub(super) plan: follow::Following,
    /// How the core wanted the source to be read when the reader began.
    pub(super) mode: Mode,
    pub(super) failures: u32,
    /// Blocks that wait for disk space. They were read already, so they stay when the subscription is lost.
    pub(super) held: VecDeque<Box<StreamBlock>>,
    /// The number of held blocks that an earlier stream delivered.
    pub(super) held_before: usize,
    /// Blocks of this stream that are in the core.
    pub(super) inside: usize,
}

/// A running fetch of records.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) wanted: BTreeSet<Fetch>,
    /// The index of the holder to ask next; 0 is the owner.
    pub(super) turn: usize,
    pub(super) asked: BTreeSet<u64>,
    pub(super) found: Vec<Bytes>,
}
