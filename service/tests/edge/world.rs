//! A journal and its set in memory, written as a peer writes them: cut, commit, publish.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_journal::{Journal, Store, Tip, Write, keep_chain};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::Holds,
    certificate::Role,
    id::{PublicKey, RecordId},
    namespace::Overlay,
    record::{Record, Update},
    signed::{Ed25519, Signer},
    submission::Submission,
    transaction::{Entry, Envelope, POLICY, Transaction},
};
use kittengrad_support::{
    SharedStore,
    samples::{self, artefact},
};
use tokio::sync::watch;

use crate::network::Network;

/// The journal of a peer, and its publisher.
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) overlay: Overlay,
    pub(crate) owner: Credentials,
    pub(crate) publisher: Credentials,
    store: SharedStore,
    journal: Journal,
    tip: watch::Sender<Option<Tip>>,
    wall_ms: u64,
    /// Transactions signed so far.
    transactions: u32,
    /// Updates have about 60 KB each.
    pub(crate) large: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let network = Network::new();
        let (owner, publisher) = (network.admit(Role::Peer), network.admit(Role::Client));
        let overlay = Overlay {
            network: owner.root().network(),
            namespace: "works".parse().unwrap(),
        };
        Self {
            journal: open(&overlay, &owner, 7),
            store: SharedStore::default(),
            tip: watch::channel(None).0,
            wall_ms: 1_000,
            transactions: 0,
            large: false,
            network,
            overlay,
            owner,
            publisher,
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    pub(crate) fn tips(&self) -> watch::Receiver<Option<Tip>> {
        self.tip.subscribe()
    }

    pub(crate) fn tip(&self) -> Tip {
        self.tip.borrow().expect("the journal has a block")
    }

    /// Begins the next incarnation, as after a restored disk.
    pub(crate) fn open(&mut self, incarnation: u64) {
        self.journal = open(&self.overlay, &self.owner, incarnation);
    }

    /// Removes all data of the store, as on a wiped disk.
    pub(crate) fn wipe(&mut self) {
        self.store.wipe();
    }

    /// Cuts a block with one transaction for each number in `updates`: an insert of a new canonical with that many
    /// updates.
    pub(crate) fn block(&mut self, updates: &[usize]) {
        for &updates in updates {
            let submission = self.next_submission(updates);
            let added = self.journal.add(&submission, |_| true, &self.store);
            assert!(added.unwrap().bitmap.count() > 0);
        }
        for write in keep_chain(self.publisher.chain(), self.publisher.key().public()) {
            self.journal.keep(write);
        }
        self.cut();
    }

    fn cut(&mut self) {
        self.wall_ms += 1;
        let mut writes = Vec::new();
        self.journal.cut(self.wall_ms, &mut writes);
        self.commit(writes);
        self.journal.committed();
        self.tip.send_replace(self.journal.tip());
    }

    /// The canonical of the transaction with this number, from 1.
    pub(crate) fn canonical(&self, number: u32) -> RecordId {
        RecordId::of(&canonical(number))
    }

    fn commit(&self, writes: Vec<Write>) {
        self.store.commit(writes);
    }

    /// Cuts a block of `count` transactions that all insert the same large canonical.
    pub(crate) fn block_of_repeats(&mut self, count: u32) {
        for number in 0..count {
            self.transactions += 1;
            let canonical = canonical_with(&"x".repeat(60_000));
            let submission = self.sign(canonical, number as usize..number as usize + 1);
            self.journal
                .add(&submission, |_| true, &self.store)
                .unwrap();
        }
        self.cut();
    }

    /// Signs an insert of a new canonical with so many updates.
    fn next_submission(&mut self, updates: usize) -> Submission {
        self.transactions += 1;
        self.sign(canonical(self.transactions), 0..updates)
    }

    /// Signs an insert of `canonical` with updates of these numbers.
    fn sign(&self, canonical: Bytes, updates: Range<usize>) -> Submission {
        let reference = RecordId::of(&canonical);
        let publisher = self.publisher.key().public();
        let note = if self.large {
            "x".repeat(60_000)
        } else {
            String::new()
        };
        let update = |i| update(reference, publisher, i, &note);
        let mut records = vec![canonical];
        records.extend(updates.map(update));
        let entry = Entry {
            canonical: reference,
            insert: true,
            updates: records[1..]
                .iter()
                .map(|record| RecordId::of(record))
                .collect(),
        };
        let envelope = Envelope {
            chain: self.publisher.chain().id(),
            policy: POLICY,
            created_ms: self.publisher.holder().not_before_ms,
            nonce: [0; 16],
        };
        let signed = Transaction::sign(&self.overlay, &envelope, vec![entry], self.publisher.key());
        let holder = self.publisher.holder();
        let transaction = Arc::new(signed.unwrap());
        Submission::check(transaction, records, holder, |_| true, &Ed25519).unwrap()
    }
}

fn open(overlay: &Overlay, owner: &Credentials, incarnation: u64) -> Journal {
    let signer = Arc::new(owner.key().clone());
    Journal::open(
        overlay.clone(),
        signer,
        incarnation,
        None,
        Holds::whole(),
        &[],
    )
}

fn canonical(number: u32) -> Bytes {
    canonical_with(&format!("work:{number}"))
}

fn canonical_with(id: &str) -> Bytes {
    artefact(id).encode().unwrap()
}

fn update(reference: RecordId, publisher: PublicKey, number: usize, note: &str) -> Bytes {
    let update = Update {
        name: Some(format!("update {number}")),
        meta: [("note".to_owned(), Ipld::String(note.to_owned()))].into(),
        ..samples::update(reference, publisher, number as u64)
    };
    Record::Update(update).encode().unwrap()
}
