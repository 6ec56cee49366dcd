//! Machines of clients, and what was counted of them.

use std::collections::BTreeSet;

use kittengrad_proto::id::Id;

use crate::{
    host::Host,
    publisher::{Publication, Publisher},
};

/// How much clients say.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many clients there are.
    pub clients: usize,
    /// Mean time between two things that one client does, in microseconds.
    pub pause_us: u64,
    /// Things that are known to all, for each member.
    pub names: usize,
    /// So many of a thousand things are lookups.
    pub lookup_permille: u64,
    /// So many of a thousand transactions are said again, by the same bytes.
    pub again_permille: u64,
}

/// A computer of a client.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) publisher: Publisher,
    /// What was said, for saying it again.
    pub(crate) said: Vec<Publication>,
}

impl Machine {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self {
            host: Host::default(),
            publisher,
            said: Vec::new(),
        }
    }
}

/// What became of everything that clients said.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Transactions that were said to a quorum at least.
    pub asked: usize,
    /// Of them, those that their clients know to be safe.
    pub acked: usize,
    /// Transactions during which some fault struck or lasted.
    pub overlapped: usize,
    /// Lookups that were answered by enough replicas.
    pub looked: usize,
    pub(crate) acked_ids: BTreeSet<Id>,
    pub(crate) asked_ids: BTreeSet<Id>,
}
