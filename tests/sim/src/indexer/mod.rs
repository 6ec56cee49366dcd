//! The indexer: the real core on a simulated index, its driver, and how it follows the aggregator.

mod disk;
mod driver;
mod follow;

use std::collections::VecDeque;

use kittengrad_indexer_core::{Commit, Indexer, Input};

use crate::{host::Host, stream::Reader};

pub(crate) use disk::IndexDisk;

/// A computer that indexes.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) disk: IndexDisk,
    pub(crate) process: Option<Process>,
}

/// A running indexer.
pub(crate) struct Process {
    pub(crate) indexer: Indexer,
    /// What waits for the driver, and the subscription that it came on, if it is a block.
    inbox: VecDeque<(Input, Option<u64>)>,
    is_woken: bool,
    /// What is being committed.
    commit: Option<Box<Commit>>,
    /// The next commit is not before.
    cut_from_us: u64,
    /// A lookup is under way: so many groups of canonicals are not answered.
    fetching: usize,
    stream: Option<u64>,
    reader: Reader,
    failures: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            host: Host::default(),
            disk: IndexDisk::default(),
            process: None,
        }
    }

    /// Kills the process.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.host.stop();
    }
}
