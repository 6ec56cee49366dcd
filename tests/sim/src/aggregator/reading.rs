//! What an aggregator reads and fetches at the moment.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use kittengrad_aggregator_core::{Fetch, follow};

use crate::stream::{Reader, StreamBlock};

/// How one source is read.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) stream: Option<u64>,
    pub(super) reader: Reader,
    pub(super) plan: follow::Following,
    pub(super) failures: u32,
    /// Blocks that find no room. They were read, so they stay when the subscription is lost.
    pub(super) held: VecDeque<Box<StreamBlock>>,
    /// How many of them an earlier stream brought.
    pub(super) held_before: usize,
    /// Frames of blocks that are in the core.
    pub(super) inside: usize,
}

/// What is being fetched.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) wanted: BTreeSet<Fetch>,
    /// Which of its holders each record is asked of now.
    pub(super) turn: usize,
    pub(super) asked: BTreeSet<u64>,
    pub(super) found: Vec<Bytes>,
}
