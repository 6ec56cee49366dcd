//! The aggregator: the real core on a simulated disk, its driver, and how it follows its sources.

mod driver;
mod fetch;
mod follow;
mod heads;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use kittengrad_aggregator_core::{
    Fetch, Input, Network,
    driver::{Driver, Steps},
};
use kittengrad_journal::Tip;
use kittengrad_proto::{checkpoint::Statement, id::PublicKey, signed::Signer};

use crate::{disk::SimDisk, host::Host};

use reading::{Fetching, Following};

/// The machine of an aggregator.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) disk: SimDisk,
    pub(crate) network: Arc<Network>,
    pub(crate) process: Option<Process>,
    /// Blocks of one source in memory, at most.
    pub(crate) window: usize,
}

/// A running aggregator.
pub(crate) struct Process {
    pub(crate) driver: Driver,
    inbox: VecDeque<Input>,
    is_woken: bool,
    /// Steps of the last round that remain.
    steps: Option<Steps>,
    pub(crate) tip: Option<Tip>,
    pub(crate) statement: Option<Arc<Statement>>,
    /// The sources of the newest plan.
    pub(crate) planned: BTreeSet<PublicKey>,
    /// Monotonic time in milliseconds of the next questions to the peers.
    ask_due_ms: u64,
    following: BTreeMap<PublicKey, Following>,
    wanted: BTreeSet<Fetch>,
    fetching: Option<Fetching>,
    /// The disk is short of space, so no blocks go in.
    is_short: bool,
    ticks: u64,
}

impl Machine {
    pub(crate) fn new(
        signer: Arc<dyn Signer>,
        disk: SimDisk,
        network: Arc<Network>,
        window: usize,
    ) -> Self {
        Self {
            host: Host::default(),
            signer,
            disk,
            network,
            process: None,
            window,
        }
    }

    /// Kills the process.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.host.stop();
    }
}
