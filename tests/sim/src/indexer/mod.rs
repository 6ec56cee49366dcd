//! The indexer: the real core on a simulated index, its driver, and how it follows the aggregator.

mod disk;
mod driver;
mod follow;

use std::collections::VecDeque;

use kittengrad_indexer_core::{Commit, Indexer, Input, follow::Following, pace::Pace};

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
    /// When the last round began.
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
