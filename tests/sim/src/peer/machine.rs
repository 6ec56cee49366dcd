//! One machine of a peer: a disk, a process while it runs, and a fuse that can stop the driver between any two steps.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal as journal;
use kittengrad_node_core::{
    Delivery, Fatal, Input, Now, Peer, PeerConfig, RequestId, Status, Timing, Unverified,
    driver::{Command, Driver, Steps},
    entries_to_verify,
};
use kittengrad_overlay::view::View;
use kittengrad_plants::Plants;
use kittengrad_proto::{
    certificate::Chain,
    checkpoint::Statement,
    id::{Id, PublicKey},
    link::Push,
    signed::{Signer, Verifier},
    submission::Submission,
    transaction::Transaction,
};

use crate::{
    disk::SimDisk,
    host::Host,
    invariants::Replica,
    keys::{Vouched, identity},
};

/// A machine with a disk that outlives its processes.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) verifier: Arc<dyn Verifier>,
    /// The ring as its peer sees it.
    pub(crate) view: Arc<View>,
    /// The holder of each chain.
    pub(crate) vouched: Arc<Vouched>,
    pub(crate) disk: SimDisk,
    /// The time of the last loss of synced data, in microseconds.
    pub(crate) lost_us: Option<u64>,
    /// The disk lost synced data, and the peer is not settled since.
    pub(crate) is_lost: bool,
    pub(crate) process: Option<Process>,
    /// The statement that was checked last.
    pub(crate) stated: Option<Arc<Statement>>,
    /// Steps of the driver until the process is killed.
    pub(crate) fuse: Option<u64>,
}

/// A running peer.
pub(crate) struct Process {
    pub(crate) driver: Driver<()>,
    pub(crate) started_us: u64,
    /// Commands that wait for the next round.
    pub(crate) inbox: Vec<Command<()>>,
    /// A round is about to start.
    pub(crate) is_woken: bool,
    /// Steps of the last round that remain.
    pub(crate) steps: Option<Steps>,
    /// Certificates that came with messages.
    pub(crate) chains: BTreeMap<Id, Arc<Chain>>,
    /// The connection to each partner that the process reads from.
    pub(crate) open: BTreeMap<PublicKey, u64>,
    /// The driver's status as readers see it: committed data only.
    pub(crate) shown: Status,
    /// Ticks so far. About once a second, a tick checks the free disk space.
    pub(crate) ticks: u64,
    /// Calls that wait for an answer to a submission.
    pub(crate) calls: BTreeMap<RequestId, u64>,
}

impl Machine {
    pub(crate) fn new(
        signer: Arc<dyn Signer>,
        verifier: Arc<dyn Verifier>,
        view: Arc<View>,
        vouched: Arc<Vouched>,
        disk: SimDisk,
    ) -> Self {
        Self {
            host: Host::default(),
            signer,
            verifier,
            view,
            vouched,
            disk,
            lost_us: None,
            is_lost: false,
            process: None,
            stated: None,
            fuse: None,
        }
    }

    /// The key of its peer.
    pub(crate) fn key(&self) -> PublicKey {
        self.signer.public()
    }

    pub(crate) fn now(&self, time_us: u64) -> Now {
        Now {
            monotonic_ms: self.host.monotonic_ms(time_us),
            wall_ms: self.host.wall_ms(time_us),
        }
    }

    /// Starts a process. If the store fails, the process ends at once.
    pub(crate) fn start(
        &mut self,
        time_us: u64,
        timing: Timing,
        plants: Plants,
    ) -> Result<(), Fatal> {
        self.host.start(time_us);
        self.fuse = None;
        let identity = identity(self.view.overlay(), self.host.run, &*self.signer);
        let config = PeerConfig {
            view: Arc::clone(&self.view),
            identity,
            signer: Arc::clone(&self.signer),
            verifier: Arc::clone(&self.verifier),
            timing,
        };
        let peer = Peer::planted(config, plants, &self.disk, self.now(time_us))
            .inspect_err(|_| self.host.stop())?;
        self.process = Some(Process {
            shown: peer.status(),
            driver: Driver::new(peer),
            started_us: time_us,
            inbox: Vec::new(),
            is_woken: false,
            steps: None,
            chains: BTreeMap::new(),
            open: BTreeMap::new(),
            ticks: 0,
            calls: BTreeMap::new(),
        });
        Ok(())
    }

    /// Kills the process. Uncommitted data is gone.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.host.stop();
        self.fuse = None;
    }

    /// The peer's view and disk, for the invariants.
    pub(crate) fn replica(&self) -> Replica<'_> {
        Replica {
            view: &self.view,
            disk: self.disk.sound(),
        }
    }

    /// Burns one step of the fuse, if there is one.
    pub(crate) const fn burn(&mut self) {
        if let Some(left) = &mut self.fuse {
            *left -= 1;
        }
    }

    /// Runs a round with all queued commands. Nothing leaves the machine yet.
    pub(crate) fn round(&mut self, time_us: u64) -> Result<(), Fatal> {
        let now = self.now(time_us);
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let mut round = process.driver.begin(now, &self.disk)?;
        for command in process.inbox.drain(..) {
            round.take(command)?;
        }
        process.steps = Some(round.end()?);
        Ok(())
    }

    /// Publishes the status after a commit.
    pub(crate) fn show(&mut self) {
        if let Some(process) = &mut self.process {
            process.shown = process.driver.status();
            if process.shown.is_settled && !self.disk.is_rotten() {
                self.is_lost = false;
            }
        }
    }

    /// Verifies a partner's transaction, as the edge's worker pool does.
    pub(crate) fn verify(
        &mut self,
        from: PublicKey,
        delivery: Delivery,
        push: Push,
    ) -> Option<Input> {
        self.learn(push.chain);
        self.process.as_ref()?;
        let id = push.transaction.id();
        Some(Input::Verified {
            from,
            delivery,
            id,
            outcome: self.check(Some(delivery), push.transaction, push.records),
        })
    }

    /// Stores certificates that came with a message.
    pub(crate) fn learn(&mut self, chain: Option<Chain>) {
        if let (Some(process), Some(chain)) = (&mut self.process, chain) {
            process.chains.insert(chain.id(), Arc::new(chain));
        }
    }

    /// Checks a transaction of a client or, if there is a `delivery`, of a partner.
    pub(crate) fn check(
        &self,
        delivery: Option<Delivery>,
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
    ) -> Result<(Submission, Arc<Chain>), Unverified> {
        let id = transaction.envelope().chain;
        let cached = self
            .process
            .as_ref()
            .and_then(|process| process.chains.get(&id).cloned());
        let chain = match cached {
            Some(chain) => chain,
            None => {
                let stored = journal::chain(&self.disk, &id);
                let stored = stored.map_err(|error| Unverified::Failed(error.to_string()))?;
                Arc::new(stored.ok_or(Unverified::ChainUnknown)?)
            }
        };
        let refused = |why: String| Unverified::Refused(why);
        let holder = self.vouched.get(&id);
        let holder = holder.ok_or_else(|| refused("nobody vouches for it".to_owned()))?;
        let delivery = delivery.unwrap_or(Delivery::Push);
        let entries = entries_to_verify(&self.view, delivery, &transaction, &records);
        let holds = |canonical: &_| entries.contains(canonical);
        let submission = Submission::check(transaction, records, holder, holds, &*self.verifier)
            .map_err(|error| refused(error.to_string()))?;
        Ok((submission, chain))
    }
}
