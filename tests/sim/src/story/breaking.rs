//! The steps of a story that start, break and heal peers, and let time pass.

use kittengrad_node_core::Input;

use crate::{
    disk::Snapshot,
    host::Node,
    invariants::{Violation, differences},
    publisher::canonical,
    queue::Event,
    world::{Shape, World},
};

/// The longest wait for anything, in virtual milliseconds.
const PATIENCE_MS: u64 = 60_000;

impl World {
    /// A world whose peers run and are settled.
    #[must_use]
    pub fn booted(seed: u64, shape: Shape) -> Self {
        let mut world = Self::new(seed, shape);
        world.start_all();
        world.settle();
        world
    }

    /// The quorum W: the number of disks that acknowledge.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.view().replication().quorum()
    }

    /// The replicas of the canonical with this name, its owner first.
    #[must_use]
    pub fn replicas(&self, name: &str) -> Vec<usize> {
        self.holders(&canonical(name))
    }

    /// A name that was not used before, in the cell of a member.
    pub fn name_in(&mut self, owner: usize) -> String {
        loop {
            let name = self.name();
            if self.replicas(&name)[0] == owner {
                return name;
            }
        }
    }

    /// A name that was not used before.
    pub fn name(&mut self) -> String {
        self.names += 1;
        format!("work {}", self.names)
    }

    /// Starts a peer.
    pub fn start(&mut self, member: usize) {
        let (now_us, timing) = (self.queue.now_us, self.shape.timing);
        let machine = &mut self.machines[member];
        assert!(machine.process.is_none());
        if machine.disk.is_found() {
            // The damaged store does not open. It is put aside, and a new one fills.
            machine.disk.wipe();
            (machine.is_lost, machine.lost_us) = (true, Some(now_us));
            self.invariants.forget_reads(Node::Peer(member));
            self.fired(crate::faults::Kind::Rot);
        }
        let machine = &mut self.machines[member];
        if let Err(fatal) = machine.start(now_us, timing, self.shape.plants) {
            return self.stops(member, &fatal);
        }
        let (node, run) = (Node::Peer(member), machine.host.run);
        let phase_us = self.random.within(0..=self.shape.weather.tick_us);
        self.queue.after(phase_us, Event::Tick { node, run });
        self.wake(member);
    }

    /// Starts all peers that do not run.
    pub fn start_all(&mut self) {
        for member in self.members() {
            if !self.is_up(member) {
                self.start(member);
            }
        }
    }

    /// Kills a process. Unsynced data is gone.
    pub fn crash(&mut self, member: usize) {
        self.machines[member].crash();
        self.buried(member);
    }

    /// Kills a process after a number of further steps of its driver.
    pub fn crash_after(&mut self, member: usize, steps: u64) {
        self.machines[member].fuse = Some(steps);
    }

    /// Kills a process and starts another.
    pub fn restart(&mut self, member: usize) {
        self.crash(member);
        self.start(member);
    }

    /// Kills a process and empties its disk.
    pub fn wipe(&mut self, member: usize) {
        self.restore(member, Snapshot::default());
    }

    /// Kills a process and restores an older copy of its disk: a backup, or the rest of a disk that lied.
    pub fn restore(&mut self, member: usize, copy: Snapshot) {
        self.crash(member);
        let machine = &mut self.machines[member];
        machine.disk.restore(copy);
        machine.lost_us = Some(self.queue.now_us);
        machine.is_lost = true;
        self.invariants.forget_reads(Node::Peer(member));
    }

    /// Copies a disk as it is now.
    #[must_use]
    pub fn save(&self, member: usize) -> Snapshot {
        self.machines[member].disk.copy()
    }

    /// Blocks the way between two members, and ends their connection.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.block(Node::Peer(a), Node::Peer(b));
        self.block(Node::Peer(b), Node::Peer(a));
        self.disconnect(a, b);
    }

    /// Unblocks the way between two members.
    pub fn join(&mut self, a: usize, b: usize) {
        self.unblock(Node::Peer(a), Node::Peer(b));
        self.unblock(Node::Peer(b), Node::Peer(a));
    }

    /// Blocks the ways between a member and all its partners.
    pub fn isolate(&mut self, member: usize) {
        for other in self.partners(member) {
            self.cut(member, other);
        }
    }

    /// Unblocks all ways, sets all clocks right and defuses all crashes.
    pub fn heal(&mut self) {
        for machine in &mut self.machines {
            machine.fuse = None;
            machine.host.skew_ms = 0;
        }
        for a in self.members() {
            for b in 0..a {
                self.join(a, b);
            }
        }
    }

    /// Moves a member's clock.
    pub fn skew(&mut self, member: usize, skew_ms: i64) {
        self.machines[member].host.skew_ms = skew_ms;
    }

    /// Tells a member whether its disk has space.
    pub fn set_space(&mut self, member: usize, has_space: bool) {
        self.hand_in(member, Input::Space(has_space));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        self.pass(ms);
        self.assert_kept();
    }

    /// Lets time pass until a promise breaks. Returns the broken promise, or `None` if the time is over first.
    pub fn violation_within(&mut self, ms: u64) -> Option<&Violation> {
        self.pass(ms);
        self.violation()
    }

    /// Runs until a condition holds. Panics if it does not within `PATIENCE_MS`.
    pub fn run_until(&mut self, goal: &str, is_true: impl Fn(&Self) -> bool) {
        let end_us = self.queue.now_us + PATIENCE_MS * 1_000;
        while !is_true(self) {
            let has_more = self.step(end_us);
            self.assert_kept();
            assert!(has_more, "{goal} did not come within {PATIENCE_MS} ms");
        }
    }

    /// Runs until all machines agree, and checks their disks.
    pub fn settle(&mut self) {
        let end_us = self.queue.now_us + PATIENCE_MS * 1_000;
        let mut found = differences(&self.machines);
        while !found.is_empty() {
            assert!(
                self.queue.now_us < end_us,
                "replicas do not agree within {PATIENCE_MS} ms: {found:#?}"
            );
            self.run_for(100);
            found = differences(&self.machines);
        }
        self.check();
    }

    fn assert_kept(&self) {
        if let Some(violation) = &self.violation {
            panic!("{violation}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && self.director.is_none() {
            eprintln!("at {} ms of seed {}", self.now_ms(), self.seed);
            for member in self.members() {
                let events = self.told[member].iter().rev().take(8).rev();
                let events: Vec<_> = events.map(|event| format!("{event:?}")).collect();
                let key = self.key(member);
                eprintln!("machine {member} {key:?}, last events: {events:#?}");
            }
        }
    }
}
