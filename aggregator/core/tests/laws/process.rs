//! An aggregator with its disk, which follows a cover of the peers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kittengrad_aggregator_core::{
    Aggregator, Config, Event, Fetch, Input, Mode, Network, Now, Output, Plan, SourceBlock,
    SourceReport, Timing,
};
use kittengrad_journal::{BlockStore as _, Follower, MemoryStore, Step, Write, entries};
use kittengrad_proto::{
    block::{Head, Header, Item},
    id::{Id, PublicKey},
    signed::{Ed25519, SigningKey},
    transaction::Element,
};

use kittengrad_support::journals::Stepping as _;

use crate::peers::{Peer, Peers, overlay, transact_much};

/// Three peers that hold everything, an aggregator that follows one of them, and the key and number of that peer.
pub(crate) fn scene() -> (Peers, Process, PublicKey, usize) {
    let peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    assert!(process.deliver(source, &peers), "the first block");
    process.flush();
    (peers, process, source, number)
}

/// Five peers with three copies, an aggregator that read its two sources, and the number of a peer that it does not read.
pub(crate) fn unread_scene() -> (Peers, Process, usize) {
    let mut peers = Peers::new(5, 3);
    peers.peers.iter_mut().for_each(Peer::cut);
    let mut process = Process::start(&peers);
    process.read_all(&peers);
    let sources = process.sources();
    let is_unread = |number: &usize| !sources.contains(&peers.peers[*number].key());
    let unread = (0..5).find(is_unread).unwrap();
    (peers, process, unread)
}

/// Like [`scene`], with an own block that is full. It takes six of the source's eight transactions. The others wait, and
/// so does all that follows, until a flush.
pub(crate) fn full_scene() -> (Peers, Process, PublicKey, usize) {
    let (mut peers, mut process, source, number) = scene();
    (0..8).for_each(|nonce| peers.apply(number, &transact_much(nonce)));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let block = peer.frame(peer.block(peer.head().height));
    let out = process.handled(Input::Block(source, Box::new(block)));
    assert!(out.is_full);
    assert_eq!(process.view().sources[0].queued, 1);
    (peers, process, source, number)
}

/// An aggregator with its disk. Its process may end at any moment.
pub(crate) struct Process {
    pub(crate) store: MemoryStore,
    aggregator: Aggregator,
    pub(crate) now: Now,
    network: Arc<Network>,
    plan: Plan,
    /// Fetches that are under way.
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) events: Vec<Event>,
    /// The elements that each delivered block of a source lists.
    delivered: BTreeMap<(PublicKey, Place), Vec<Element>>,
}

/// The place of a block in its owner's journals: incarnation and height.
type Place = (u64, u64);

impl Process {
    pub(crate) fn start(peers: &Peers) -> Self {
        Self::start_with(peers, 0)
    }

    /// Starts a process that tolerates a number of faulty replicas in each cell.
    pub(crate) fn start_with(peers: &Peers, faulty: usize) -> Self {
        let network = peers.network_that_tolerates(faulty);
        let now = Now {
            monotonic_ms: 0,
            wall_ms: 60_000,
        };
        let store = MemoryStore::default();
        let mut process = Self {
            aggregator: open_aggregator(&store, now),
            store,
            now,
            plan: Plan::of(&network, |_| true),
            network,
            fetches: Vec::new(),
            events: Vec::new(),
            delivered: BTreeMap::new(),
        };
        process.begin();
        process
    }

    fn begin(&mut self) -> Vec<Write> {
        self.handle(Input::Network(Arc::clone(&self.network)));
        self.handle(Input::Plan(self.plan.clone()));
        self.flushed()
    }

    /// Ends the process and starts it again, from its disk alone.
    pub(crate) fn crash(&mut self) {
        self.restarted();
    }

    /// Like [`Process::crash`]. Returns the writes of the first flush.
    pub(crate) fn restarted(&mut self) -> Vec<Write> {
        self.now.wall_ms += 1;
        self.aggregator = open_aggregator(&self.store, self.now);
        self.fetches.clear();
        let writes = self.begin();
        let positions = self.positions();
        self.delivered
            .retain(|(owner, place), _| positions.get(owner) >= Some(place));
        writes
    }

    /// Passes an input to the core. Only a flush may write.
    pub(crate) fn handle(&mut self, input: Input) {
        let out = self.handled(input);
        assert!(out.writes.is_empty());
        if out.is_full {
            self.flush();
        }
    }

    /// Passes an input to the core. Returns its output without fetches and events.
    pub(crate) fn handled(&mut self, input: Input) -> Output {
        let mut out = Output::default();
        self.aggregator
            .handle(self.now, input, &self.store, &mut out)
            .unwrap();
        self.fetches.append(&mut out.fetches);
        for event in &out.events {
            if let Event::Mode { source, mode } = event
                && *mode == Mode::Read
            {
                self.forget(*source);
            }
        }
        self.events.append(&mut out.events);
        out
    }

    /// Forgets blocks of a source that were delivered, and that the core dropped. The source may never send them again,
    /// because it may lose its disk.
    fn forget(&mut self, source: PublicKey) {
        let taken = self.taken(source);
        let taken = taken.map(|head| (head.incarnation, head.height));
        self.delivered
            .retain(|(owner, place), _| *owner != source || taken >= Some(*place));
    }

    /// Cuts a block and commits it.
    pub(crate) fn flush(&mut self) {
        self.flushed();
    }

    /// Cuts a block and commits it. Returns the writes.
    pub(crate) fn flushed(&mut self) -> Vec<Write> {
        let out = self.handled(Input::Flush);
        self.store.commit(out.writes.clone());
        self.aggregator.committed();
        out.writes
    }

    /// Cuts a block, and crashes before its commit.
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

    /// The last block taken in from a source.
    pub(crate) fn taken(&self, source: PublicKey) -> Option<Head> {
        self.aggregator.taken(&source)?.head()
    }

    /// The sources of the plan.
    pub(crate) fn sources(&self) -> Vec<PublicKey> {
        self.plan
            .sources
            .iter()
            .map(|planned| planned.source)
            .collect()
    }

    /// Follows other sources from now on.
    pub(crate) fn follow(&mut self, plan: Plan) {
        self.plan = plan.clone();
        self.handle(Input::Plan(plan));
    }

    /// How the core wants a source to be read.
    pub(crate) fn mode(&self, source: PublicKey) -> Mode {
        self.aggregator.mode(&source)
    }

    /// Passes the next block of a source to the core, as the core wants it. Returns whether there was one.
    pub(crate) fn deliver(&mut self, source: PublicKey, peers: &Peers) -> bool {
        self.deliver_as(self.mode(source), source, peers)
    }

    fn has_next(&self, source: PublicKey, peers: &Peers) -> bool {
        let taken = self.aggregator.taken(&source);
        peers.by_key(source).next_block(taken).is_some()
    }

    /// Like [`Process::deliver`], with or without bodies.
    pub(crate) fn deliver_as(&mut self, mode: Mode, source: PublicKey, peers: &Peers) -> bool {
        let peer = peers.by_key(source);
        let Some(block) = peer.next_block(self.aggregator.taken(&source)) else {
            return false;
        };
        self.pass_on(source, peer.frame(block), mode);
        true
    }

    /// Like [`Process::deliver`], but the records of the block are lost.
    pub(crate) fn deliver_bare(&mut self, source: PublicKey, peers: &Peers) {
        let peer = peers.by_key(source);
        if let Some(block) = peer.next_block(self.aggregator.taken(&source)) {
            let mut frame = peer.frame(block);
            let entries = frame.entries.iter_mut().flatten();
            entries.for_each(|entry| entry.records.clear());
            self.pass_on(source, frame, self.mode(source));
        }
    }

    fn pass_on(&mut self, source: PublicKey, mut block: SourceBlock, mode: Mode) {
        let header = &block.block.header;
        let place = (header.incarnation, header.height);
        self.delivered.insert((source, place), listed(&block));
        if mode == Mode::Items {
            block.entries = None;
        }
        self.handle(Input::Block(source, Box::new(block)));
    }

    /// The position of each source on disk.
    fn positions(&self) -> BTreeMap<PublicKey, Place> {
        let place = |head: Head| (head.incarnation, head.height);
        let sources = self.view().sources.into_iter();
        sources
            .filter_map(|source| Some((source.source, place(source.position?))))
            .collect()
    }

    /// Checks that the set on disk is the union of the sources' journals up to the positions.
    pub(crate) fn check_set(&self) {
        let positions = self.positions();
        let read = self.delivered.iter();
        let read = read.filter(|((owner, place), _)| positions.get(owner) >= Some(place));
        let union: BTreeSet<_> = read.flat_map(|(_, elements)| elements).copied().collect();
        assert_eq!(self.store.elements(), union);
    }

    /// Passes the next block of a source that lied to the core. Returns whether it was taken.
    pub(crate) fn deliver_ignored(&mut self, source: PublicKey, peers: &Peers) -> bool {
        let before = self.aggregator.taken(&source);
        self.deliver(source, peers);
        self.aggregator.taken(&source) != before
    }

    /// Answers all fetches with the records of their holders.
    pub(crate) fn answer(&mut self, peers: &Peers) {
        let fetches = std::mem::take(&mut self.fetches);
        let found = fetches
            .into_iter()
            .filter_map(|fetch| peers.fetch(fetch))
            .collect();
        self.handle(Input::Records(found));
    }

    /// Reads all sources to their heads and syncs. Fetches are answered.
    pub(crate) fn read_all(&mut self, peers: &Peers) {
        for _ in 0..10_000 {
            let mut moved = false;
            for source in self.sources() {
                moved |= self.deliver(source, peers);
            }
            self.answer(peers);
            self.pass(1);
            self.flush();
            let view = self.view();
            // The core may also have dropped a block, to read it with bodies.
            let is_read = |of: &SourceReport| of.queued == 0 && !self.has_next(of.source, peers);
            if view.sources.iter().all(is_read) {
                return;
            }
            if !moved {
                // Items without bodies wait.
                self.pass(500);
            }
        }
        panic!("the sources are not read to their heads: {:?}", self.view());
    }

    /// Every peer is asked for its head, and every source sends a heartbeat.
    pub(crate) fn hear_all(&mut self, peers: &Peers) {
        for source in self.sources() {
            let heartbeat = peers.by_key(source).heartbeat(self.now.wall_ms);
            self.handle(Input::Alive(source, Box::new(heartbeat.into())));
        }
        for (member, beat) in peers.beats(self.now.wall_ms) {
            let (at, beat) = (self.now, Box::new(beat));
            self.handle(Input::Asked { member, at, beat });
        }
        self.handle(Input::Tick);
    }

    pub(crate) fn view(&self) -> kittengrad_aggregator_core::Status {
        self.aggregator.view(self.now)
    }

    /// Checks the journal from its genesis. Returns its elements in their order.
    pub(crate) fn emitted(&self) -> Vec<(Id, Element)> {
        let incarnations = self.store.incarnations().unwrap();
        let first = incarnations.first().unwrap();
        let mut follower = Follower::new(first.peer, first.incarnation);
        let mut emitted = Vec::new();
        let of = |last: &Header| {
            let incarnation = last.incarnation;
            (0..=last.height).map(move |height| (incarnation, height))
        };
        let mut before = 0;
        for (incarnation, height) in incarnations.iter().flat_map(of) {
            let stored = self.store.block(incarnation, height).unwrap().unwrap();
            let step = follower.step(&stored.block, &Ed25519).unwrap();
            assert_ne!(step, Step::Known);
            if height == 0 {
                before = emitted.len();
            }
            assert_eq!(
                stored.offset,
                (emitted.len() - before) as u64,
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

/// The elements that a block lists.
fn listed(block: &SourceBlock) -> Vec<Element> {
    let items = block.block.decode_items().unwrap().into_iter();
    let bitmaps = items.filter_map(|item| match item {
        Item::Transaction { bitmap, .. } => Some(bitmap),
        _ => None,
    });
    let mut listed = Vec::new();
    for (entry, bitmap) in block.entries.iter().flatten().zip(bitmaps) {
        let elements = entry.transaction.elements().enumerate();
        let set = elements.filter(|(i, _)| bitmap.is_set(*i));
        listed.extend(set.map(|(_, element)| element));
    }
    listed
}

pub(crate) fn open_aggregator(store: &MemoryStore, now: Now) -> Aggregator {
    let config = Config {
        overlay: overlay(),
        signer: Arc::new(SigningKey::from_seed(&[77; 32])),
        verifier: Arc::new(Ed25519),
        timing: Timing::default(),
    };
    Aggregator::open(config, store, now).unwrap()
}
