//! A ring of peers with real journals.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{Fetch, Network, Plan, SourceBlock, SourceEntry};
use kittengrad_journal::{
    BlockStore, Follower, Fork, Journal, MemoryStore, RecordStore, StoredBlock, entries,
};
use kittengrad_proto::{
    block::{Head, Item},
    certificate::Chain,
    checkpoint::{Checkpoint, Holdings, Through, ThroughList},
    id::{Id, PublicKey, RecordId},
    identity::{Beat, Heartbeat, HeartbeatFields},
    namespace::Overlay,
    record::Record,
    signed::{Signer, SigningKey},
    submission::Submission,
    transaction::{Element, Entry, Envelope, POLICY, Transaction},
};
use kittengrad_ring::{KeyRange, KeyRanges, Replicas, Ring};
use kittengrad_support::samples;

pub(crate) fn overlay() -> Overlay {
    Overlay {
        network: Id::ZERO,
        namespace: "works".parse().unwrap(),
    }
}

pub(crate) fn chain() -> Chain {
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

/// The record of update `update` of canonical `number`, as bytes.
pub(crate) fn statement(number: u8, update: u8, publisher: PublicKey) -> Bytes {
    let reference = RecordId::of(&canonical(number));
    let update = samples::update(reference, publisher, update.into());
    Record::Update(update).encode().unwrap()
}

/// Signs a transaction that inserts canonicals, each with some updates, by their numbers.
pub(crate) fn transact(nonce: u8, entries: &[(u8, &[u8])]) -> Submission {
    let publisher = publisher();
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
        let names = updates
            .iter()
            .map(|update| keep(statement(*number, *update, publisher.public())));
        entry.updates.extend(names);
        entry.updates.sort();
        entry.updates.dedup();
    }
    let transaction = sign(nonce, by_canonical.into_values().collect());
    Submission {
        transaction: Arc::new(transaction),
        records,
    }
}

/// A transaction of 21 canonicals of 60 kB: 1.26 MB.
pub(crate) fn transact_much(nonce: u8) -> Submission {
    let filler = "x".repeat(60_000);
    let artefact = |number| samples::artefact(format!("{nonce}:{number}:{filler}"));
    let records: BTreeMap<_, _> = (0..21)
        .map(|number| samples::named(&artefact(number)))
        .collect();
    let entry = |canonical: &RecordId| Entry {
        canonical: *canonical,
        insert: true,
        updates: Vec::new(),
    };
    let transaction = sign(nonce, records.keys().map(entry).collect());
    Submission {
        transaction: Arc::new(transaction),
        records,
    }
}

/// The key of the publisher.
pub(crate) fn publisher() -> SigningKey {
    SigningKey::from_seed(&[99; 32])
}

/// Signs entries without a check of their records.
pub(crate) fn sign(nonce: u8, entries: Vec<Entry>) -> Transaction {
    let envelope = Envelope {
        chain: chain().id(),
        policy: POLICY,
        created_ms: 1,
        nonce: [nonce; 16],
    };
    Transaction::sign(&overlay(), &envelope, entries, &publisher()).unwrap()
}

/// One peer of the ring.
pub(crate) struct Peer {
    pub(crate) key: SigningKey,
    pub(crate) store: MemoryStore,
    pub(crate) journal: Journal,
    pub(crate) wall_ms: u64,
}

/// The bodies of a block that came with them.
pub(crate) fn bodies(block: &mut SourceBlock) -> &mut Vec<SourceEntry> {
    block.entries.as_mut().unwrap()
}

/// All peers of the ring.
pub(crate) struct Peers {
    ring: Ring,
    /// In the ring's order.
    pub(crate) peers: Vec<Peer>,
}

impl Peers {
    /// The ring, with a number of faulty replicas to tolerate in each cell.
    pub(crate) fn network_that_tolerates(&self, faulty: usize) -> Arc<Network> {
        let keys = self.peers.iter().map(|peer| peer.key.public());
        Arc::new(Network::new(Id::ZERO, self.ring.clone(), keys, faulty))
    }

    /// The head of each peer as it answers a question. Each says that it contains the journals of all others.
    pub(crate) fn beats(&self, time_ms: u64) -> Vec<(PublicKey, Beat)> {
        self.beats_with(time_ms, |_, other| other.head())
    }

    /// Like [`Peers::beats`]. `word` returns the head up to which a peer says that it contains another one's journal.
    pub(crate) fn beats_with(
        &self,
        time_ms: u64,
        word: impl Fn(&Peer, &Peer) -> Head,
    ) -> Vec<(PublicKey, Beat)> {
        self.beats_that_say(time_ms, |peer, other| {
            let (head, arcs) = (word(peer, other), None);
            (peer.key() != other.key()).then_some(Through { head, arcs })
        })
    }

    /// Like [`Peers::beats_with`]. `word` returns the whole position of a peer in another one's journal, or in its own.
    pub(crate) fn beats_that_say(
        &self,
        time_ms: u64,
        word: impl Fn(&Peer, &Peer) -> Option<Through>,
    ) -> Vec<(PublicKey, Beat)> {
        let beat = |peer: &Peer| {
            let others = self.peers.iter();
            let others = others.filter_map(|other| Some((other.key(), word(peer, other)?)));
            let through: ThroughList = others.collect();
            let (head, held) = (peer.head(), held(&self.ring, &peer.key));
            let checkpoint = Checkpoint {
                height: head.height,
                ring: Id::ZERO,
                holds: Holdings::new(&held.into(), &peer.settled()),
                blocks: head.height + 1,
                blocks_root: Id::ZERO,
                through_root: through.root(),
            };
            let fields = HeartbeatFields {
                head,
                time_ms,
                nonce: None,
                checkpoint: Some(checkpoint),
            };
            let heartbeat = Heartbeat::sign_fields(&overlay(), fields, &peer.key);
            (peer.key.public(), Beat { heartbeat, through })
        };
        self.peers.iter().map(beat).collect()
    }

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

    /// The peer journals the elements that it holds of a transaction.
    pub(crate) fn apply(&mut self, peer: usize, submission: &Submission) {
        let held = held(&self.ring, &self.peers[peer].key);
        let peer = &mut self.peers[peer];
        let holds = |canonical: &RecordId| held.contains(canonical.point());
        peer.journal.add(submission, holds, &peer.store).unwrap();
    }

    /// The peer loses its disk and starts a new incarnation, settled and empty.
    pub(crate) fn wipe(&mut self, peer: usize, incarnation: u64) {
        let journal = open(&self.ring, &self.peers[peer].key, incarnation);
        let peer = &mut self.peers[peer];
        (peer.store, peer.journal) = (MemoryStore::default(), journal);
        peer.cut();
    }

    /// The peer gets an old disk back, and continues from it in a new incarnation.
    pub(crate) fn come_back(&mut self, peer: usize, disk: MemoryStore, incarnation: u64) {
        let held = held(&self.ring, &self.peers[peer].key);
        let peer = &mut self.peers[peer];
        let (signer, fork) = (Arc::new(peer.key.clone()), disk.head().unwrap());
        let fork = fork.map(|head| Fork::from(head, &disk).unwrap());
        let items = [Item::Settled(held.into())];
        let holds = held.into();
        peer.journal = Journal::open(overlay(), signer, incarnation, fork, holds, &items);
        peer.store = disk;
        peer.cut();
    }

    /// The number of the peer with this key.
    pub(crate) fn number(&self, key: PublicKey) -> usize {
        let mut peers = self.peers.iter();
        peers.position(|peer| peer.key.public() == key).unwrap()
    }

    /// The numbers of the peers that hold a canonical, its owner first.
    pub(crate) fn holders(&self, canonical: RecordId) -> Vec<usize> {
        let replicas = self.ring.replicas_of(canonical.point());
        let peers = self.peers.iter();
        let points: Vec<_> = peers.map(|peer| peer.key.public().point()).collect();
        let number = |point| points.iter().position(|other| *other == point);
        replicas.into_iter().filter_map(number).collect()
    }

    /// The peers that hold a cell.
    pub(crate) fn replicas(&self, cell: KeyRange) -> Vec<PublicKey> {
        let points = self.ring.replicas_of(cell.to);
        let keys = self.peers.iter().map(Peer::key);
        keys.filter(|key| points.contains(&key.point())).collect()
    }

    /// The peer starts a new incarnation, in which it is filling.
    pub(crate) fn open_filling(&mut self, peer: usize, incarnation: u64) {
        let held = held(&self.ring, &self.peers[peer].key);
        let peer = &mut self.peers[peer];
        let signer = Arc::new(peer.key.clone());
        let holds = held.into();
        peer.journal = Journal::open(overlay(), signer, incarnation, None, holds, &[]);
        peer.cut();
    }

    /// The peer lists that it is settled in its arc.
    pub(crate) fn settle(&mut self, peer: usize) {
        let held = held(&self.ring, &self.peers[peer].key);
        self.peers[peer].journal.note(&Item::Settled(held.into()));
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

    /// Fetches a record from the first holder of its canonical that has it.
    pub(crate) fn fetch(&self, fetch: Fetch) -> Option<Bytes> {
        let holders = self.holders(fetch.canonical).into_iter();
        holders
            .filter_map(|peer| self.peers[peer].record(fetch.record))
            .next()
    }

    /// The elements of all journals, each once, ascending.
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

/// The arc that the peer with this key holds.
fn held(ring: &Ring, key: &SigningKey) -> KeyRange {
    ring.held(key.public().point()).unwrap()
}

fn open(ring: &Ring, key: &SigningKey, incarnation: u64) -> Journal {
    let held = held(ring, key);
    let items = [Item::Settled(held.into())];
    let (signer, holds) = (Arc::new(key.clone()), held.into());
    Journal::open(overlay(), signer, incarnation, None, holds, &items)
}

impl Peer {
    pub(crate) fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs and commits a block of everything journalled.
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

    /// The arcs in which it is settled in its current incarnation.
    fn settled(&self) -> KeyRanges {
        let blocks = 0..=self.head().height;
        let items = blocks.flat_map(|height| self.block(height).block.decode_items().unwrap());
        let arcs = items.filter_map(|item| match item {
            Item::Settled(arcs) => Some(arcs.arcs().to_vec()),
            _ => None,
        });
        arcs.flatten().collect()
    }

    pub(crate) fn heartbeat(&self, time_ms: u64) -> Heartbeat {
        Heartbeat::sign(&overlay(), self.head(), time_ms, &self.key)
    }

    /// A block of the current incarnation.
    pub(crate) fn block(&self, height: u64) -> StoredBlock {
        self.store
            .block(self.journal.incarnation(), height)
            .unwrap()
            .unwrap()
    }

    fn record(&self, id: RecordId) -> Option<Bytes> {
        self.store.records(&[id]).unwrap().remove(0)
    }

    /// The block that follows `taken` for a reader. `None` at the head.
    pub(crate) fn next_block(&self, taken: Option<Follower>) -> Option<StoredBlock> {
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

    /// A block as its reader gets it without bodies.
    pub(crate) fn frame_of_items(&self, height: u64) -> SourceBlock {
        SourceBlock {
            block: self.block(height).block,
            entries: None,
        }
    }

    /// A block as its reader gets it, with the records of the added elements.
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
            entries: Some(listed.into_iter().map(entry).collect()),
        }
    }
}
