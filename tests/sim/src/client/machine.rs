//! Machines of clients, and the tally of their transactions and lookups.

use std::collections::BTreeSet;

use kittengrad_proto::id::Id;

use crate::{
    host::Host,
    publisher::{Publication, Publisher},
};

/// The load of all clients.
#[derive(Debug, Clone)]
pub struct Load {
    /// The number of clients.
    pub clients: usize,
    /// The mean time between two requests of one client, in microseconds.
    pub pause_us: u64,
    /// Names of canonicals that all clients use, for each member's cell.
    pub names: usize,
    /// Lookups of a thousand requests.
    pub lookup_permille: u64,
    /// Repeated transactions of a thousand, with the same bytes.
    pub again_permille: u64,
}

/// The machine of a client.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) publisher: Publisher,
    /// Transactions so far, to repeat some of them.
    pub(crate) publications: Vec<Publication>,
}

impl Machine {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self {
            host: Host::default(),
            publisher,
            publications: Vec::new(),
        }
    }
}

/// The tally of all clients.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Finished transactions with `Ack::Quorum` or `Ack::All`.
    pub asked: usize,
    /// The acknowledged ones among `asked`.
    pub acked: usize,
    /// Transactions during which some fault struck or lasted.
    pub overlapped: usize,
    /// Lookups with enough answers.
    pub looked: usize,
    pub(crate) acked_ids: BTreeSet<Id>,
    pub(crate) asked_ids: BTreeSet<Id>,
}
