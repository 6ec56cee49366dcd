//! The indexer: the real core on an index in memory, its driver, and its subscription to the aggregator.

mod disk;
mod driver;
mod follow;

use std::collections::VecDeque;

use kittengrad_indexer_core::{Commit, Indexer, Input, follow::Following, pace::Pace};

use crate::{host::Host, stream::Reader};

pub(crate) use disk::IndexDisk;

/// The machine of an indexer.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) disk: IndexDisk,
    pub(crate) process: Option<Process>,
}

/// A running indexer.
pub(crate) struct Process {
    pub(crate) indexer: Indexer,
    /// Inputs that wait for the driver. A block comes with the subscription that delivered it.
    inbox: VecDeque<(Input, Option<u64>)>,
    is_woken: bool,
    /// The running commit.
    commit: Option<Box<Commit>>,
    /// The start of the last round.
    began_us: u64,
    pace: Pace,
    stream: Option<u64>,
    following: Following,
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
