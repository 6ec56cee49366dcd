//! A whole network in one thread: real cores, disks in memory, virtual time and faults, all from one seed.

mod checks;
mod nodes;
mod step;

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_aggregator_core::Network as RingOf;
use kittengrad_node_core::{Event as Told, RequestId, Timing};
use kittengrad_overlay::{identities::Identities, view::View};
use kittengrad_plants::Plants;
use kittengrad_proto::{
    certificate::Chain,
    id::{Id, PublicKey},
    namespace::Overlay,
    signed::Signer,
};
use kittengrad_ring::Replicas;

use crate::{
    aggregator,
    asks::Asks,
    calls::Calls,
    client::{Load, Machine as ClientMachine, Tally},
    disk::{SimDisk, Snapshot},
    faults::Director,
    indexer,
    invariants::{Invariants, Verdict, Violation},
    keys::{Scheme, Vouched, identity},
    lies::Lie,
    peer::{Machine, Network, Weather},
    publisher::Publisher,
    queue::{Event, Queue},
    random::Random,
    story::Request,
    stream::Streams,
    trace::Trace,
};

/// The size and the settings of a world.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The number of peers.
    pub peers: usize,
    /// The number of copies of each element, R.
    pub replicas: u8,
    /// The timeouts of peers.
    pub timing: Timing,
    /// The delays of messages, disks and verification.
    pub weather: Weather,
    /// The signature scheme of all keys.
    pub scheme: Scheme,
    /// Disks keep their history, so that older copies can be restored.
    pub remembers: bool,
    /// The world has an aggregator and an indexer.
    pub is_whole: bool,
    /// Blocks of one source in the aggregator's memory, at most.
    pub window: usize,
    /// The longest wait of a client for one answer, in microseconds.
    pub attempt_us: u64,
    /// The load of the clients.
    pub load: Load,
    /// The largest drift of clocks, in millionths.
    pub drift_ppm: u64,
    /// The planted bugs of all cores.
    pub plants: Plants,
    /// Faulty replicas of a cell that the aggregator tolerates.
    pub tolerate: usize,
}

impl Shape {
    /// Peers only, on good machines in a good network.
    #[must_use]
    pub fn new(peers: usize, replicas: u8) -> Self {
        Self {
            peers,
            replicas,
            timing: Timing::default(),
            weather: Weather::default(),
            scheme: Scheme::Fast,
            remembers: true,
            is_whole: false,
            window: 16,
            attempt_us: 10_000_000,
            load: Load {
                clients: 0,
                pause_us: 100_000,
                names: 8,
                lookup_permille: 300,
                again_permille: 100,
            },
            drift_ppm: 0,
            plants: Plants::NONE,
            tolerate: 0,
        }
    }
}

/// The network, its clients and the director. Peers are numbered in the order of the ring.
pub struct World {
    pub(crate) seed: u64,
    /// The size and the settings of the world.
    pub shape: Shape,
    /// The random numbers of messages and disks. Tests may draw from them too.
    pub random: Random,
    /// The random numbers of faults and their effects.
    pub(crate) fate: Random,
    /// The random numbers of clients.
    pub(crate) load_random: Random,
    pub(crate) overlay: Overlay,
    pub(crate) scheme: Scheme,
    pub(crate) vouched: Arc<Vouched>,
    /// Certificates of all publishers.
    pub(crate) chains: BTreeMap<Id, Arc<Chain>>,
    pub(crate) machines: Vec<Machine>,
    /// The number of the machine that a key belongs to.
    pub(crate) numbers: BTreeMap<PublicKey, usize>,
    pub(crate) aggregator: Option<aggregator::Machine>,
    pub(crate) indexer: Option<indexer::Machine>,
    pub(crate) clients: Vec<ClientMachine>,
    pub(crate) network: Network,
    pub(crate) queue: Queue,
    pub(crate) calls: Calls,
    pub(crate) asks: Asks,
    pub(crate) streams: Streams,
    pub(crate) publisher: Publisher,
    pub(crate) requests: BTreeMap<RequestId, Request>,
    pub(crate) request_count: RequestId,
    pub(crate) invariants: Invariants,
    pub(crate) director: Option<Director>,
    /// Older copies of disks that are going to be restored.
    pub(crate) copies: BTreeMap<usize, Snapshot>,
    /// The peer whose next message finds its link's queue full.
    pub(crate) overflows: Option<usize>,
    /// The next transaction of a partner that any peer verifies comes twice.
    pub(crate) replays: bool,
    /// The peers that lie to readers of their journals.
    pub(crate) lies: BTreeMap<usize, Lie>,
    /// The events of each peer's core, in order; kept only without a director.
    pub(crate) told: Vec<Vec<Told>>,
    pub(crate) trace: Trace,
    pub(crate) violation: Option<Violation>,
    pub(crate) names: u64,
    /// The names of canonicals that clients use, by the owners of their cells.
    pub(crate) names_of: Vec<Vec<String>>,
    pub(crate) is_speaking: bool,
    pub(crate) tally: Tally,
    /// Messages, frames and calls that were sent.
    pub(crate) messages: u64,
    /// An older copy of the aggregator's disk, with the time at which it was made, in microseconds.
    pub(crate) aggregator_copy: Option<(u64, Snapshot)>,
    /// Writes that must succeed soon.
    pub(crate) probes: std::collections::BTreeSet<Id>,
}

impl World {
    /// A world in which no process runs yet.
    #[must_use]
    pub fn new(seed: u64, shape: Shape) -> Self {
        let overlay = Overlay {
            network: Id::of(&[b"a network"]),
            namespace: "test".parse().unwrap(),
        };
        let scheme = shape.scheme;
        let mut queue = Queue::default();
        queue.after(0, Event::Dial);
        let publisher = |name: &str| Publisher::new(name, scheme, overlay.clone());
        let museum = publisher("a museum");
        let clients: Vec<_> = (0..shape.load.clients)
            .map(|number| ClientMachine::new(publisher(&format!("client {number}"))))
            .collect();
        let publishers = || clients.iter().map(|c| &c.publisher).chain([&museum]);
        let vouched = publishers().map(|p| (p.chain.id(), p.holder())).collect();
        let chains = publishers()
            .map(|p| (p.chain.id(), Arc::clone(&p.chain)))
            .collect();
        let vouched: Arc<Vouched> = Arc::new(vouched);
        let machines = machines(seed, &shape, &overlay, &vouched);
        let aggregator = shape.is_whole.then(|| {
            let signer = scheme.signer(&format!("aggregator of {seed}"));
            let view = &machines[0].view;
            let keys = view.peers().map(|peer| peer.key);
            let network = RingOf::new(view.ring_id(), view.ring().clone(), keys, shape.tolerate);
            aggregator::Machine::new(signer, disk(&shape), Arc::new(network), shape.window)
        });
        let mut world = Self {
            seed,
            random: Random::new(seed),
            fate: Random::branch(seed, 1),
            load_random: Random::branch(seed, 2),
            told: vec![Vec::new(); shape.peers],
            vouched,
            chains,
            numbers: machines.iter().map(Machine::key).zip(0..).collect(),
            machines,
            aggregator,
            indexer: shape.is_whole.then(indexer::Machine::new),
            clients,
            network: Network::default(),
            queue,
            calls: Calls::default(),
            asks: Asks::default(),
            streams: Streams::default(),
            publisher: museum,
            requests: BTreeMap::new(),
            request_count: 0,
            invariants: Invariants::default(),
            director: None,
            copies: BTreeMap::new(),
            overflows: None,
            replays: false,
            lies: BTreeMap::new(),
            trace: Trace::default(),
            violation: None,
            names: 0,
            names_of: Vec::new(),
            is_speaking: false,
            tally: Tally::default(),
            messages: 0,
            aggregator_copy: None,
            probes: std::collections::BTreeSet::new(),
            overlay,
            scheme,
            shape,
        };
        world.drift();
        world
    }

    fn drift(&mut self) {
        let ppm = self.shape.drift_ppm;
        if ppm > 0 {
            for node in self.nodes() {
                let drift = self.fate.within(0..=2 * ppm) as i64 - ppm as i64;
                self.host_mut(node).drift_ppm = drift;
            }
        }
    }

    /// Keeps the first broken promise.
    pub(crate) fn judge(&mut self, verdict: Verdict) {
        if let Err(mut violation) = verdict {
            violation.at_ms = self.now_ms();
            let now_us = self.queue.now_us;
            self.trace.line(now_us, || format!("BROKEN: {violation}"));
            self.violation.get_or_insert(violation);
        }
    }

    /// The first broken promise.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The tally of all clients.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Virtual time since the start, in milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.queue.now_us / 1_000
    }

    pub(crate) fn tell(&mut self, member: usize, event: Told) {
        let now_us = self.queue.now_us;
        self.trace
            .line(now_us, || format!("peer {member}: {event:?}"));
        if let Told::Convicted { shown, rule } = &event {
            self.convicts(shown, rule);
        }
        if self.director.is_none() {
            self.told[member].push(event);
        }
    }
}

fn disk(shape: &Shape) -> SimDisk {
    if shape.remembers {
        SimDisk::remembering()
    } else {
        SimDisk::default()
    }
}

/// The machines of all peers, in the order of the ring.
fn machines(seed: u64, shape: &Shape, overlay: &Overlay, vouched: &Arc<Vouched>) -> Vec<Machine> {
    let names = (0..shape.peers).map(|number| format!("peer {number} of {seed}"));
    let mut signers: Vec<Arc<dyn Signer>> = names.map(|name| shape.scheme.signer(&name)).collect();
    signers.sort_by_key(|signer| signer.public().point());
    let identities: Identities = signers
        .iter()
        .map(|signer| identity(overlay, 0, &**signer))
        .collect();
    let replicas = Replicas::new(shape.replicas).unwrap();
    let view = View::new(overlay.clone(), replicas, identities).unwrap();
    let machine = |signer: Arc<dyn Signer>| {
        let view = view.clone().seen_by(signer.public()).unwrap();
        let verifier = shape.scheme.verifier();
        Machine::new(
            signer,
            verifier,
            Arc::new(view),
            Arc::clone(vouched),
            disk(shape),
        )
    };
    signers.into_iter().map(machine).collect()
}
