//! A ring of peers with real journals, and an aggregator that follows some of them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{
    Aggregator, Config, Event, Fetch, Input, Now, Output, Plan, SourceBlock, SourceEntry, Timing,
};
use kittengrad_journal::{
    BlockStore, Follower, Journal, MemoryStore, RecordStore, Step, StoredBlock, entries,
};
use kittengrad_proto::{
    block::{Head, Item},
    certificate::Chain,
    id::{Id, PublicKey, RecordId},
    identity::Heartbeat,
    namespace::Overlay,
    record::Record,
    signed::{Ed25519, Signer, SigningKey},
    submission::Submission,
    transaction::{Element, Entry, Envelope, POLICY, Transaction},
};
use kittengrad_ring::{KeyRange, Replicas, Ring};
use kittengrad_support::samples;

pub(crate) fn overlay() -> Overlay {
    Overlay {
        network: Id::ZERO,
        namespace: "works".parse().unwrap(),
    }
}

fn chain() -> Chain {
    Chain::from_der(vec![
        Bytes::from_static(b"leaf"),
        Bytes::from_static(b"level 0"),
    ])
    .unwrap()
}

/// The canonical with this number, as bytes.
pub(crate) fn canonical(number: u8) -> Bytes {
    samples::canonical(number.into()).encode().unwrap()
}

/// What update `update` of canonical `number` says.
fn statement(number: u8, update: u8, publisher: PublicKey) -> Bytes {
    let reference = RecordId::of(&canonical(number));
    let update = samples::update(reference, publisher, update.into());
    Record::Update(update).encode().unwrap()
}

/// Signs a transaction that inserts canonicals, each with some updates, by their numbers.
pub(crate) fn say(nonce: u8, entries: &[(u8, &[u8])]) -> Submission {
    let publisher = SigningKey::from_seed(&[99; 32]);
    let mut records = BTreeMap::new();
    let mut keep = |bytes: Bytes| {
        let id = RecordId::of(&bytes);
        records.insert(id, bytes);
        id
    };
    let mut by_canonical: BTreeMap<RecordId, Entry> = BTreeMap::new();
    for (number, updates) in entries {
        let canonical = keep(canonical(*number));
        let entry = by_canonical.entry(canonical).or_insert(Entry {
            canonical,
            insert: true,
            updates: Vec::new(),
        });
        let said = updates
            .iter()
            .map(|update| keep(statement(*number, *update, publisher.public())));
        entry.updates.extend(said);
        entry.updates.sort();
        entry.updates.dedup();
    }
    let envelope = Envelope {
        chain: chain().id(),
        policy: POLICY,
        created_ms: 1,
        nonce: [nonce; 16],
    };
    let entries = by_canonical.into_values().collect();
    let transaction = Transaction::sign(&overlay(), &envelope, entries, &publisher).unwrap();
    Submission {
        transaction: Arc::new(transaction),
        records,
    }
}

/// One peer of the ring.
pub(crate) struct Peer {
    key: SigningKey,
    store: MemoryStore,
    journal: Journal,
    wall_ms: u64,
}

/// All of them.
pub(crate) struct Peers {
    ring: Ring,
    /// In the ring's order.
    pub(crate) peers: Vec<Peer>,
}

impl Peers {
    pub(crate) fn new(count: u8, replicas: u8) -> Self {
        let mut keys: Vec<_> = (0..count)
            .map(|seed| SigningKey::from_seed(&[seed + 1; 32]))
            .collect();
        keys.sort_by_key(|key| key.public().point());
        let points = keys.iter().map(|key| key.public().point());
        let ring = Ring::new(points, Replicas::new(replicas).unwrap()).unwrap();
        let open = |key: SigningKey| {
            let mut peer = Peer {
                journal: open(&ring, &key, 10),
                store: MemoryStore::default(),
                wall_ms: 1_000,
                key,
            };
            peer.cut();
            peer
        };
        let peers = keys.into_iter().map(open).collect();
        Self { ring, peers }
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::cover(
            &self.ring,
            |point| {
                let mut keys = self.peers.iter().map(|peer| peer.key.public());
                keys.find(|key| key.point() == point)
            },
            |_| true,
        )
    }

    /// The peer journals what it holds of a transaction.
    pub(crate) fn apply(&mut self, peer: usize, submission: &Submission) {
        let held = held(&self.ring, &self.peers[peer].key);
        let peer = &mut self.peers[peer];
        let holds = |canonical: &RecordId| held.contains(canonical.point());
        peer.journal.add(submission, holds, &peer.store).unwrap();
    }

    /// The peer loses its disk and begins anew.
    pub(crate) fn wipe(&mut self, peer: usize, incarnation: u64) {
        let journal = open(&self.ring, &self.peers[peer].key, incarnation);
        let peer = &mut self.peers[peer];
        (peer.store, peer.journal) = (MemoryStore::default(), journal);
        peer.cut();
    }

    /// Who holds a canonical.
    pub(crate) fn holders(&self, canonical: RecordId) -> Vec<usize> {
        let replicas = self.ring.replicas_of(canonical.point());
        let peers = self.peers.iter();
        let points: Vec<_> = peers.map(|peer| peer.key.public().point()).collect();
        let number = |point| points.iter().position(|other| *other == point);
        replicas.into_iter().filter_map(number).collect()
    }

    /// The peer begins anew and fills its arc.
    pub(crate) fn open_filling(&mut self, peer: usize, incarnation: u64) {
        let held = held(&self.ring, &self.peers[peer].key);
        let peer = &mut self.peers[peer];
        let signer = Arc::new(peer.key.clone());
        peer.journal = Journal::open(overlay(), signer, incarnation, None, &[Item::Hold(held)]);
        peer.cut();
    }

    /// The peer has everything of its arc.
    pub(crate) fn settle(&mut self, peer: usize) {
        let held = held(&self.ring, &self.peers[peer].key);
        self.peers[peer].journal.note(&Item::Settled(held));
        self.peers[peer].cut();
    }

    /// The elements of a journal in their order.
    pub(crate) fn emitted_by(&self, key: PublicKey) -> Vec<Element> {
        let peer = self.by_key(key);
        let blocks = (0..=peer.head().height).map(|height| peer.block(height));
        let listed =
            blocks.flat_map(|stored| entries(&peer.store, &overlay(), &stored.block).unwrap());
        listed.flat_map(|entry| entry.added).collect()
    }

    pub(crate) fn by_key(&self, key: PublicKey) -> &Peer {
        self.peers
            .iter()
            .find(|peer| peer.key.public() == key)
            .unwrap()
    }

    /// What the holders of a canonical have of a record.
    pub(crate) fn fetch(&self, fetch: Fetch) -> Option<Bytes> {
        let holders = self.holders(fetch.canonical).into_iter();
        holders
            .filter_map(|peer| self.peers[peer].record(fetch.record))
            .next()
    }

    /// Every element of every journal.
    pub(crate) fn union(&self) -> Vec<Element> {
        let mut all: Vec<_> = self
            .peers
            .iter()
            .flat_map(|peer| peer.store.elements())
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The arc that the peer with a key holds.
fn held(ring: &Ring, key: &SigningKey) -> KeyRange {
    ring.held(key.public().point()).unwrap()
}

fn open(ring: &Ring, key: &SigningKey, incarnation: u64) -> Journal {
    let held = held(ring, key);
    let items = [Item::Hold(held), Item::Settled(held)];
    Journal::open(overlay(), Arc::new(key.clone()), incarnation, None, &items)
}

impl Peer {
    pub(crate) fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs and syncs what was journalled.
    pub(crate) fn cut(&mut self) {
        self.wall_ms += 1;
        let mut writes = Vec::new();
        self.journal.cut(self.wall_ms, &mut writes);
        self.store.commit(writes);
        self.journal.committed();
    }

    pub(crate) fn head(&self) -> Head {
        self.store.head().unwrap().unwrap()
    }

    pub(crate) fn heartbeat(&self, time_ms: u64) -> Heartbeat {
        Heartbeat::sign(&overlay(), self.head(), time_ms, &self.key)
    }

    /// A block of the incarnation of today.
    pub(crate) fn block(&self, height: u64) -> StoredBlock {
        self.store
            .block(self.journal.incarnation(), height)
            .unwrap()
            .unwrap()
    }

    fn record(&self, id: RecordId) -> Option<Bytes> {
        self.store.records(&[id]).unwrap().remove(0)
    }

    /// The block that a reader who took `taken` reads next.
    fn next_block(&self, taken: Option<Follower>) -> Option<StoredBlock> {
        let first = (self.journal.incarnation(), 0);
        let known = taken.and_then(|taken| taken.head()).filter(|head| {
            self.store
                .block(head.incarnation, head.height)
                .unwrap()
                .is_some()
        });
        let (incarnation, height) = known.map_or(first, |head| (head.incarnation, head.height + 1));
        self.store.block(incarnation, height).unwrap()
    }

    /// A block as its reader gets it: with the records of what it adds.
    pub(crate) fn frame(&self, stored: StoredBlock) -> SourceBlock {
        let listed = entries(&self.store, &overlay(), &stored.block).unwrap();
        let entry = |listed: kittengrad_journal::Entry| {
            let mut records = BTreeMap::new();
            for element in &listed.added {
                let ids = [Some(element.canonical), element.update];
                for id in ids.into_iter().flatten() {
                    records.extend(self.record(id).map(|bytes| (id, bytes)));
                }
            }
            let transaction = Arc::new(listed.transaction);
            SourceEntry {
                transaction,
                records,
                chain: Arc::new(chain()),
            }
        };
        SourceBlock {
            block: stored.block,
            entries: listed.into_iter().map(entry).collect(),
        }
    }
}

/// An aggregator with its disk, whose process may end at any moment.
pub(crate) struct Process {
    pub(crate) store: MemoryStore,
    aggregator: Aggregator,
    pub(crate) now: Now,
    plan: Plan,
    /// Fetches that are under way.
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) events: Vec<Event>,
}

impl Process {
    pub(crate) fn start(peers: &Peers) -> Self {
        let now = Now {
            monotonic_ms: 0,
            wall_ms: 60_000,
        };
        let store = MemoryStore::default();
        let mut process = Self {
            aggregator: open_aggregator(&store, now),
            store,
            now,
            plan: peers.plan(),
            fetches: Vec::new(),
            events: Vec::new(),
        };
        process.begin();
        process
    }

    fn begin(&mut self) {
        self.handle(Input::Plan(self.plan.clone()));
        self.flush();
    }

    /// Ends the process and starts it again: only what is on disk is left.
    pub(crate) fn crash(&mut self) {
        self.now.wall_ms += 1;
        self.aggregator = open_aggregator(&self.store, self.now);
        self.fetches.clear();
        self.begin();
    }

    /// Hands an input in; nothing is written by anything but a flush.
    pub(crate) fn handle(&mut self, input: Input) {
        let out = self.handled(input);
        assert!(out.writes.is_empty());
        if out.is_full {
            self.flush();
        }
    }

    fn handled(&mut self, input: Input) -> Output {
        let mut out = Output::default();
        self.aggregator
            .handle(self.now, input, &self.store, &mut out)
            .unwrap();
        self.fetches.append(&mut out.fetches);
        self.events.append(&mut out.events);
        out
    }

    /// Cuts a block and commits it.
    pub(crate) fn flush(&mut self) {
        let out = self.handled(Input::Flush);
        self.store.commit(out.writes);
        self.aggregator.committed();
    }

    /// Cuts a block, and ends before it is committed.
    pub(crate) fn flush_and_crash(&mut self) {
        let lost = self.handled(Input::Flush);
        drop(lost);
        self.crash();
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += ms;
        self.handle(Input::Tick);
    }

    /// The sources that are followed.
    pub(crate) fn sources(&self) -> Vec<PublicKey> {
        self.plan
            .sources
            .iter()
            .map(|planned| planned.source)
            .collect()
    }

    /// Hands in the next block of a source. Returns whether there was one.
    pub(crate) fn deliver(&mut self, source: PublicKey, peers: &Peers) -> bool {
        let peer = peers.by_key(source);
        let Some(block) = peer.next_block(self.aggregator.taken(&source)) else {
            return false;
        };
        self.handle(Input::Block(source, Box::new(peer.frame(block))));
        true
    }

    /// Hands in the next block of a source that lied. Returns whether it was taken.
    pub(crate) fn deliver_ignored(&mut self, source: PublicKey, peers: &Peers) -> bool {
        let before = self.aggregator.taken(&source);
        self.deliver(source, peers);
        self.aggregator.taken(&source) != before
    }

    /// Answers all fetches with what their holders have.
    pub(crate) fn answer(&mut self, peers: &Peers) {
        let fetches = std::mem::take(&mut self.fetches);
        let found = fetches
            .into_iter()
            .filter_map(|fetch| peers.fetch(fetch))
            .collect();
        self.handle(Input::Records(found));
    }

    /// Reads all sources to their heads, with or without the others' help, and syncs.
    pub(crate) fn read_all(&mut self, peers: &Peers, with_fetches: bool) {
        for _ in 0..10_000 {
            let mut moved = false;
            for source in self.sources() {
                moved |= self.deliver(source, peers);
            }
            if with_fetches {
                self.answer(peers);
            }
            self.pass(if with_fetches { 1 } else { 3_000 });
            self.flush();
            let view = self.view();
            let is_read = view.sources.iter().all(|source| source.queued == 0);
            if !moved && is_read {
                return;
            }
        }
        panic!("it never ends: {:?}", self.view());
    }

    /// Every source says its head.
    pub(crate) fn hear_all(&mut self, peers: &Peers) {
        for source in self.sources() {
            let heartbeat = peers.by_key(source).heartbeat(self.now.wall_ms);
            self.handle(Input::Alive(source, heartbeat));
        }
    }

    pub(crate) fn view(&self) -> kittengrad_aggregator_core::View {
        self.aggregator.view(self.now)
    }

    /// The elements in the order in which they were emitted, after checking the journal from its genesis.
    pub(crate) fn emitted(&self) -> Vec<(Id, Element)> {
        let first = self.store.incarnations().unwrap();
        let first = first.first().unwrap();
        let mut follower = Follower::new(first.peer, first.incarnation);
        let mut emitted = Vec::new();
        for height in 0.. {
            let Some(stored) = self.store.block(first.incarnation, height).unwrap() else {
                break;
            };
            assert_eq!(follower.accept(&stored.block, &Ed25519), Ok(Step::Next));
            assert_eq!(
                stored.offset,
                emitted.len() as u64,
                "offsets are contiguous"
            );
            for entry in entries(&self.store, &overlay(), &stored.block).unwrap() {
                let id = entry.transaction.id();
                emitted.extend(entry.added.into_iter().map(|element| (id, element)));
            }
        }
        assert_eq!(follower.head(), self.store.head().unwrap());
        emitted
    }
}

fn open_aggregator(store: &MemoryStore, now: Now) -> Aggregator {
    let config = Config {
        overlay: overlay(),
        signer: Arc::new(SigningKey::from_seed(&[77; 32])),
        verifier: Arc::new(Ed25519),
        timing: Timing::default(),
    };
    Aggregator::open(config, store, now).unwrap()
}
