//! A whole network of peers in one thread: real cores, disks in memory, virtual time, and everything that can go
//! wrong between them, all of it from one seed.
//!
//! A test is a story told to a [`Cluster`]: who says what to whom, what breaks, what must be true then.

mod check;
mod clients;
mod events;
mod keys;
mod look;
mod machine;
mod network;
mod publisher;
mod random;
pub(crate) mod solo;
mod trace;
mod witness;

use std::collections::BTreeMap;

use kittengrad_journal::MemoryStore;
use kittengrad_node_core::{Event as Told, Input, Membership, RequestId, Timing};
use kittengrad_proto::{
    id::{Id, PublicKey},
    identity::State,
    namespace::Overlay,
    signed::Signer as _,
};
use kittengrad_ring::Replicas;

use clients::Request;
use events::{Event, Queue};
use machine::Machine;
use network::Network;
use publisher::Publisher;
use witness::Witness;

pub(crate) use keys::Key;
pub(crate) use network::Weather;
pub(crate) use publisher::{About, Said, canonical};
pub(crate) use random::Random;

/// How long anything is waited for, in virtual milliseconds.
const PATIENCE_MS: u64 = 60_000;
/// How often machines that are not connected try to be, in microseconds.
const DIAL_US: u64 = 100_000;

/// What a network is made of.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) peers: usize,
    pub(crate) replicas: u8,
    pub(crate) timing: Timing,
    pub(crate) weather: Weather,
}

impl Shape {
    pub(crate) fn new(peers: usize, replicas: u8) -> Self {
        Self {
            peers,
            replicas,
            timing: Timing::default(),
            weather: Weather::default(),
        }
    }
}

/// The network, its clients, and the one who breaks it. Machines are numbered in the order of the ring.
pub(crate) struct Cluster {
    seed: u64,
    pub(crate) shape: Shape,
    pub(crate) random: Random,
    overlay: Overlay,
    machines: Vec<Machine>,
    network: Network,
    queue: Queue,
    publisher: Publisher,
    requests: BTreeMap<RequestId, Request>,
    witness: Witness,
    /// What each machine's core told, in order.
    told: Vec<Vec<Told>>,
    /// A digest of everything that happened.
    trace: u64,
    names: u64,
}

impl Cluster {
    /// A network of machines that are switched off.
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let overlay = Overlay {
            network: Id::of(&[b"a network"]),
            namespace: "test".parse().unwrap(),
        };
        let mut queue = Queue::default();
        queue.after(0, Event::Dial);
        let mut keys: Vec<_> = (0..shape.peers)
            .map(|number| Key::named(&format!("peer {number} of {seed}")))
            .collect();
        keys.sort_by_key(|key| key.public().point());
        let members: Vec<_> = keys
            .iter()
            .map(|key| (key.public(), State::Active))
            .collect();
        let replicas = Replicas::new(shape.replicas).unwrap();
        let machine = |key: &Key| {
            let membership = Membership::new(overlay.clone(), replicas, &members, key.public());
            Machine::new(*key, membership.unwrap())
        };
        Self {
            seed,
            random: Random::new(seed),
            machines: keys.iter().map(machine).collect(),
            network: Network::default(),
            queue,
            publisher: Publisher::new("a museum", overlay.clone()),
            requests: BTreeMap::new(),
            witness: Witness::default(),
            told: vec![Vec::new(); shape.peers],
            trace: 0,
            names: 0,
            overlay,
            shape,
        }
    }

    /// A network that is up and settled.
    pub(crate) fn booted(seed: u64, shape: Shape) -> Self {
        let mut cluster = Self::new(seed, shape);
        cluster.start_all();
        cluster.settle();
        cluster
    }

    // Who is who.

    pub(crate) fn members(&self) -> Vec<usize> {
        (0..self.machines.len()).collect()
    }

    pub(crate) fn key(&self, member: usize) -> PublicKey {
        self.machines[member].key.public()
    }

    pub(crate) fn quorum(&self) -> usize {
        self.machines[0].membership.ring().replication().quorum()
    }

    /// Who keeps what is called so, its owner first.
    pub(crate) fn replicas(&self, name: &str) -> Vec<usize> {
        let ring = self.machines[0].membership.ring();
        ring.replicas_of(canonical(name).point())
    }

    /// Everybody with whom a member shares a cell.
    pub(crate) fn partners(&self, member: usize) -> Vec<usize> {
        self.machines[0].membership.ring().partners(member)
    }

    /// A name that was not used before, in the cell of a member.
    pub(crate) fn name_in(&mut self, owner: usize) -> String {
        loop {
            let name = self.name();
            if self.replicas(&name)[0] == owner {
                return name;
            }
        }
    }

    /// A name that was not used before.
    pub(crate) fn name(&mut self) -> String {
        self.names += 1;
        format!("work {}", self.names)
    }

    // What breaks, and what heals it.

    pub(crate) fn start(&mut self, member: usize) {
        assert!(self.machines[member].process.is_none());
        let timing = self.shape.timing;
        self.machines[member].start(self.queue.now_us, timing);
        let run = self.machines[member].run;
        let phase_us = self.random.within(0..=1_000_000);
        self.queue.after(phase_us, Event::Tick { member, run });
        self.wake(member);
    }

    pub(crate) fn start_all(&mut self) {
        for member in self.members() {
            if !self.is_up(member) {
                self.start(member);
            }
        }
    }

    /// Kills a process; what it had not synced is gone.
    pub(crate) fn crash(&mut self, member: usize) {
        self.machines[member].crash();
        self.buried(member);
    }

    /// Kills a process after so many more steps of its driver.
    pub(crate) fn crash_after(&mut self, member: usize, steps: u64) {
        self.machines[member].fuse = Some(steps);
    }

    pub(crate) fn restart(&mut self, member: usize) {
        self.crash(member);
        self.start(member);
    }

    /// Kills a process and empties its disk.
    pub(crate) fn wipe(&mut self, member: usize) {
        self.restore(member, MemoryStore::default());
    }

    /// Kills a process and puts an older disk in its place: a backup, or what a disk kept that lied.
    pub(crate) fn restore(&mut self, member: usize, disk: MemoryStore) {
        self.crash(member);
        self.machines[member].disk = disk;
        self.machines[member].lost_us = Some(self.queue.now_us);
    }

    /// Copies a disk as it is now.
    pub(crate) fn save(&self, member: usize) -> MemoryStore {
        self.machines[member].disk.clone()
    }

    /// Lets nothing through between two members.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.network.set_cut(a, b, true);
        self.disconnect(a, b);
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        self.network.set_cut(a, b, false);
    }

    /// Cuts a member off from everybody.
    pub(crate) fn isolate(&mut self, member: usize) {
        for other in self.partners(member) {
            self.cut(member, other);
        }
    }

    /// Lets everything through again, sets all clocks right, and kills nobody any more.
    pub(crate) fn heal(&mut self) {
        for machine in &mut self.machines {
            machine.fuse = None;
            machine.skew_ms = 0;
        }
        for a in self.members() {
            for b in 0..a {
                self.join(a, b);
            }
        }
    }

    /// Moves a member's clock.
    pub(crate) fn skew(&mut self, member: usize, skew_ms: i64) {
        self.machines[member].skew_ms = skew_ms;
    }

    pub(crate) fn set_space(&mut self, member: usize, has_space: bool) {
        self.hand_in(member, Input::Space(has_space));
    }

    /// Hands anything to a core, as if its edge did.
    pub(crate) fn hand_in(&mut self, member: usize, input: Input) {
        if let Some(process) = &mut self.machines[member].process {
            process.inbox.push(input);
            self.wake(member);
        }
    }

    // Time.

    pub(crate) fn now_ms(&self) -> u64 {
        self.queue.now_us / 1_000
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        let end_us = self.queue.now_us + ms * 1_000;
        while self.step(end_us) {}
        self.queue.now_us = end_us;
    }

    /// Runs until something is true; it has to become so in time.
    pub(crate) fn run_until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let end_us = self.queue.now_us + PATIENCE_MS * 1_000;
        while !is_true(self) {
            assert!(
                self.step(end_us),
                "{what} did not come within {PATIENCE_MS} ms"
            );
        }
    }

    /// Runs until all machines have the same, and looks at their disks.
    pub(crate) fn settle(&mut self) {
        let end_us = self.queue.now_us + PATIENCE_MS * 1_000;
        let mut differences = check::differences(&self.machines);
        while !differences.is_empty() {
            assert!(
                self.queue.now_us < end_us,
                "not the same within {PATIENCE_MS} ms: {differences:#?}"
            );
            self.run_for(100);
            differences = check::differences(&self.machines);
        }
        self.check();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "at {} ms of seed {}; the swarm repeats it with KITTENGRAD_SEED={} \
                 cargo test -p kittengrad-node-core --test peer swarm",
                self.now_ms(),
                self.seed,
                self.seed
            );
            for member in self.members() {
                let told = self.told[member].iter().rev().take(8).rev();
                let told: Vec<_> = told.map(|told| format!("{told:?}")).collect();
                eprintln!(
                    "machine {member} {:?} told last: {told:#?}",
                    self.key(member)
                );
            }
        }
    }
}
