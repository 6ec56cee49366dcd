//! One machine: a disk, a process while it runs, and the driver's steps with a fuse that can stop it between any two.

use std::{collections::BTreeMap, mem, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{self as journal, MemoryStore};
use kittengrad_node_core::{
    Delivery, Input, Membership, Now, Output, Peer, PeerConfig, Timing, Unverified,
    entries_to_verify,
};
use kittengrad_proto::{
    certificate::Chain,
    certificate::Role,
    id::{Id, PublicKey, RecordId},
    identity::{Addresses, Identity, IdentityFields, State},
    link::Push,
    submission::Submission,
    transaction::Transaction,
};

use super::keys::{Hashes, Key, chain_of};

/// Milliseconds since 1970 when a simulation begins.
pub(crate) const WALL_MS: u64 = 1_790_000_000_000;

/// A computer with a disk that outlives its processes.
pub(crate) struct Machine {
    pub(crate) key: Key,
    pub(crate) membership: Membership,
    pub(crate) disk: MemoryStore,
    /// When the disk last lost something that was synced, in microseconds.
    pub(crate) lost_us: Option<u64>,
    pub(crate) process: Option<Process>,
    /// Counts processes, so that what belongs to an older one is known.
    pub(crate) run: u64,
    /// How far its clock is off.
    pub(crate) skew_ms: i64,
    /// So many steps of the driver until the process is killed.
    pub(crate) fuse: Option<u64>,
}

/// A running peer.
pub(crate) struct Process {
    pub(crate) peer: Peer,
    pub(crate) started_us: u64,
    /// What waits for the next round.
    pub(crate) inbox: Vec<Input>,
    /// A round is about to begin.
    pub(crate) is_woken: bool,
    /// What the last round decided, while it is committed.
    pub(crate) output: Option<Output>,
    /// Certificates that came with messages.
    pub(crate) chains: BTreeMap<Id, Arc<Chain>>,
    /// The connection to each partner that the core knows of.
    pub(crate) links: BTreeMap<PublicKey, u64>,
}

impl Machine {
    pub(crate) fn new(key: Key, membership: Membership) -> Self {
        Self {
            key,
            membership,
            disk: MemoryStore::default(),
            lost_us: None,
            process: None,
            run: 0,
            skew_ms: 0,
            fuse: None,
        }
    }

    pub(crate) fn now(&self, time_us: u64) -> Now {
        let monotonic_ms = time_us / 1_000;
        Now {
            monotonic_ms,
            wall_ms: (WALL_MS + monotonic_ms).saturating_add_signed(self.skew_ms),
        }
    }

    pub(crate) fn start(&mut self, time_us: u64, timing: Timing) {
        self.run += 1;
        self.fuse = None;
        let fields = IdentityFields {
            seq: self.run,
            state: State::Active,
            role: Role::Peer,
            addresses: Addresses::default(),
            chain: chain_of(&self.membership.my_key().to_string()),
        };
        let overlay = self.membership.overlay();
        let config = PeerConfig {
            membership: self.membership.clone(),
            identity: Identity::sign(overlay, &fields, &self.key).unwrap(),
            signer: Arc::new(self.key),
            verifier: Arc::new(Hashes),
            timing,
        };
        self.process = Some(Process {
            peer: Peer::new(config, &self.disk, self.now(time_us)).unwrap(),
            started_us: time_us,
            inbox: Vec::new(),
            is_woken: false,
            output: None,
            chains: BTreeMap::new(),
            links: BTreeMap::new(),
        });
    }

    /// Kills the process: what was not committed is gone.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.fuse = None;
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
    pub(crate) fn round(&mut self, time_us: u64) {
        let now = self.now(time_us);
        let Some(process) = &mut self.process else {
            return;
        };
        let mut output = Output::default();
        for input in mem::take(&mut process.inbox)
            .into_iter()
            .chain([Input::Flush])
        {
            process
                .peer
                .handle(now, input, &self.disk, &mut output)
                .unwrap();
        }
        process.output = Some(output);
    }

    /// What the edge's worker pool makes of a partner's transaction.
    pub(crate) fn verify(
        &mut self,
        from: PublicKey,
        delivery: Delivery,
        push: Push,
    ) -> Option<Input> {
        let process = self.process.as_mut()?;
        if let Some(chain) = push.chain {
            process.chains.insert(chain.id(), Arc::new(chain));
        }
        let id = push.transaction.id();
        Some(Input::Verified {
            from,
            delivery,
            id,
            outcome: self.check(delivery, push.transaction, push.records),
        })
    }

    fn check(
        &self,
        delivery: Delivery,
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
    ) -> Result<(Submission, Arc<Chain>), Unverified> {
        let id = transaction.envelope().chain;
        let cached = self
            .process
            .as_ref()
            .and_then(|process| process.chains.get(&id).cloned());
        let stored = || journal::chain(&self.disk, &id).unwrap().map(Arc::new);
        let chain = cached.or_else(stored).ok_or(Unverified::ChainUnknown)?;
        transaction
            .verify(&Hashes)
            .map_err(|error| Unverified::Refused(error.to_string()))?;
        let to_verify = entries_to_verify(&self.membership, delivery, &transaction, &records);
        let came: BTreeMap<_, _> = records
            .into_iter()
            .map(|bytes| (RecordId::of(&bytes), bytes))
            .collect();
        let entries = transaction.entries().iter();
        let mut records = BTreeMap::new();
        for entry in entries.filter(|entry| to_verify.contains(&entry.canonical)) {
            let inserted = entry.insert.then_some(entry.canonical);
            for id in inserted.iter().chain(&entry.updates) {
                let missing = || Unverified::Refused(format!("record {id} did not come"));
                records.insert(*id, came.get(id).ok_or_else(missing)?.clone());
            }
        }
        Ok((
            Submission {
                transaction,
                records,
            },
            chain,
        ))
    }
}
