//! One machine of a peer: a disk, a process while it runs, and the driver's steps with a fuse that can stop it between
//! any two.

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

/// A computer with a disk that outlives its processes.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) verifier: Arc<dyn Verifier>,
    /// The ring as its peer sees it.
    pub(crate) view: Arc<View>,
    /// Whom certificates vouch for.
    pub(crate) vouched: Arc<Vouched>,
    pub(crate) disk: SimDisk,
    /// When the disk last lost something that was synced, in microseconds.
    pub(crate) lost_us: Option<u64>,
    /// The disk lost something that was synced, and the peer is not settled since.
    pub(crate) is_lost: bool,
    pub(crate) process: Option<Process>,
    /// So many steps of the driver until the process is killed.
    pub(crate) fuse: Option<u64>,
}

/// A running peer.
pub(crate) struct Process {
    pub(crate) driver: Driver<()>,
    pub(crate) started_us: u64,
    /// What waits for the next round.
    pub(crate) inbox: Vec<Command<()>>,
    /// A round is about to begin.
    pub(crate) is_woken: bool,
    /// What is left to do of the last round.
    pub(crate) steps: Option<Steps>,
    /// Certificates that came with messages.
    pub(crate) chains: BTreeMap<Id, Arc<Chain>>,
    /// The connection to each partner that the process reads from.
    pub(crate) open: BTreeMap<PublicKey, u64>,
    /// What the driver shows: only what is committed.
    pub(crate) shown: Status,
    /// Ticks until the free disk is looked at.
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

    /// Starts a process. If the store fails it is over at once.
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

    /// Kills the process: what was not committed is gone.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.host.stop();
        self.fuse = None;
    }

    /// The peer with its disk, as whoever looks from outside sees it.
    pub(crate) fn replica(&self) -> Replica<'_> {
        Replica {
            view: &self.view,
            disk: self.disk.sound(),
        }
    }

    /// One step of the driver passes; says whether the process survives it.
    pub(crate) fn burn(&mut self) -> bool {
        match &mut self.fuse {
            None => {}
            Some(0) => self.crash(),
            Some(left) => *left -= 1,
        }
        self.process.is_some()
    }

    /// A round: takes everything that is queued. Nothing left the machine yet.
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

    /// The driver shows what is committed now.
    pub(crate) fn show(&mut self) {
        if let Some(process) = &mut self.process {
            process.shown = process.driver.status();
            if process.shown.is_settled && !self.disk.is_rotten() {
                self.is_lost = false;
            }
        }
    }

    /// What the edge's worker pool makes of a partner's transaction.
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

    /// Takes certificates that came with a message.
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
