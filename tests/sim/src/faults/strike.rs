//! The effect of each fault.

use super::{Kind, Relief};
use crate::{host::Node, world::World};

/// The age of a copy that is restored, at least, in microseconds.
const COPY_US: u64 = 3_000_000;

impl Kind {
    /// Whether the fault harms neither peers nor the ways between peers.
    pub(super) const fn spares_peers(self) -> bool {
        matches!(
            self,
            Self::AggregatorKill
                | Self::AggregatorWipe
                | Self::AggregatorRestore
                | Self::AggregatorRot
                | Self::IndexerKill
                | Self::IndexerWipe
                | Self::ClientKill
                | Self::SlowReader
        )
    }
}

impl World {
    /// Lets a fault strike. Returns whether it could.
    pub(super) fn strike(&mut self, kind: Kind) -> bool {
        let member = self.fate.next() as usize % self.machines.len();
        match kind {
            // These are counted when they take effect.
            Kind::Crash => {
                let steps = self.fate.within(0..=40);
                return self.is_up(member) && {
                    self.machines[member].fuse = Some(steps);
                    true
                };
            }
            Kind::Overflow => {
                self.overflows = Some(member);
                return true;
            }
            Kind::Replay => {
                self.replays = true;
                return true;
            }
            Kind::Restore | Kind::Lie => return self.prepare_loss(member, kind),
            Kind::Wipe => return self.loses_all(member),
            Kind::Rot => return self.rot_peer(member),
            Kind::AggregatorRot => return self.rot_aggregator(),
            Kind::FullDisk | Kind::FailedCommit => return self.trouble_disk(kind),
            Kind::Duplicate => {
                self.shape.weather.twice_permille = 100;
                let us = self.lasting(1_000_000, 8_000_000);
                self.passes_after(us, Relief::Order);
                return true;
            }
            _ => {}
        }
        let has_struck = match kind {
            Kind::Kill => self.is_up(member) && self.killed(member),
            Kind::RestartAll => self.killed_all(),
            Kind::Disconnect => self.lost_connection(member),
            Kind::OneWay | Kind::Cut | Kind::Partition | Kind::Isolate | Kind::Estrange => {
                self.parted(kind)
            }
            Kind::AggregatorKill | Kind::AggregatorWipe => self.struck_aggregator(kind),
            Kind::AggregatorRestore => self.restored_aggregator(),
            Kind::SourceDeath => self.killed_source(),
            Kind::IndexerKill | Kind::IndexerWipe => self.struck_indexer(kind),
            Kind::ClientKill => self.struck_client(),
            _ => self.slowed(kind),
        };
        if has_struck {
            self.fired(kind);
        }
        has_struck
    }

    fn killed(&mut self, member: usize) -> bool {
        self.dies(member);
        true
    }

    fn killed_all(&mut self) -> bool {
        for member in self.members() {
            if self.is_up(member) {
                self.dies(member);
            }
        }
        true
    }

    fn lost_connection(&mut self, member: usize) -> bool {
        if self.fate.permille(300) {
            let streams: Vec<_> = self.streams.streams.keys().copied().collect();
            if streams.is_empty() {
                return false;
            }
            let stream = streams[self.fate.next() as usize % streams.len()];
            self.broken(stream, crate::stream::Broken::Unreachable);
            return true;
        }
        let partners = self.partners(member).into_iter();
        let connected = partners.filter(|other| self.network.connection(member, *other).is_some());
        let connected: Vec<_> = connected.collect();
        if connected.is_empty() {
            return false;
        }
        let other = connected[self.fate.next() as usize % connected.len()];
        self.disconnect(member, other);
        true
    }

    fn struck_aggregator(&mut self, kind: Kind) -> bool {
        if self.aggregator.is_none() || !self.host(Node::Aggregator).is_up {
            return false;
        }
        let machine = self.aggregator.as_ref().expect("it is there");
        if kind == Kind::AggregatorWipe && machine.disk.is_rotten() {
            // The rotten row must be found, not wiped.
            return false;
        }
        self.aggregator_dies();
        if kind == Kind::AggregatorWipe {
            self.aggregator.as_mut().expect("it is there").disk.wipe();
            self.invariants.merged_anew();
        }
        true
    }

    /// Makes a copy of the aggregator's disk, and restores it at a later strike.
    fn restored_aggregator(&mut self) -> bool {
        let now_us = self.queue.now_us;
        let Some(machine) = self
            .aggregator
            .as_ref()
            .filter(|machine| machine.host.is_up)
        else {
            return false;
        };
        if machine.disk.is_rotten() {
            // The rotten row must be found, not restored.
            return false;
        }
        if self.aggregator_copy.is_none() {
            self.aggregator_copy = Some((now_us, machine.disk.copy()));
        }
        let is_old = |(at_us, _): &mut (u64, _)| now_us - *at_us >= COPY_US;
        let Some((_, copy)) = self.aggregator_copy.take_if(is_old) else {
            return false;
        };
        self.aggregator_dies();
        self.aggregator
            .as_mut()
            .expect("it is there")
            .disk
            .restore(copy);
        self.invariants.merged_anew();
        true
    }

    /// Kills a source in the middle of reading. It stays down until long after another source was planned.
    fn killed_source(&mut self) -> bool {
        let process = self.aggregator.as_ref().and_then(|of| of.process.as_ref());
        let Some(process) = process.filter(|of| !of.planned.is_empty()) else {
            return false;
        };
        let number = self.fate.next() as usize % process.planned.len();
        let source = process.planned.iter().nth(number);
        let Some(Node::Peer(member)) = source.and_then(|source| self.peer_of(source)) else {
            return false;
        };
        if !self.is_up(member) {
            return false;
        }
        let us = self.lasting(6_000_000, 12_000_000);
        if let Some(director) = &mut self.director {
            director.held_down = Some((member, us));
        }
        self.dies(member);
        true
    }

    fn struck_indexer(&mut self, kind: Kind) -> bool {
        if self.indexer.is_none() || !self.host(Node::Indexer).is_up {
            return false;
        }
        self.indexer_dies();
        if kind == Kind::IndexerWipe {
            let machine = self.indexer.as_mut().expect("it is there");
            machine.disk = crate::indexer::IndexDisk::default();
            self.invariants.indexed_again();
        }
        true
    }

    fn struck_client(&mut self) -> bool {
        if self.clients.is_empty() {
            return false;
        }
        let client = self.fate.next() as usize % self.clients.len();
        let is_up = self.clients[client].host.is_up;
        if is_up {
            self.client_dies(client);
        }
        is_up
    }

    /// Slows, pauses or misdates a process or a disk.
    fn slowed(&mut self, kind: Kind) -> bool {
        let node = self.any_node(kind);
        let now_us = self.queue.now_us;
        match kind {
            Kind::Pause => {
                let host = self.host(node);
                // A second pause would let what arrives during it overtake what waits for the end of the first one.
                if !host.is_up || host.paused_until_us > now_us {
                    return false;
                }
                let us = self.lasting(200_000, 15_000_000);
                self.host_mut(node).paused_until_us = now_us + us;
                if let Node::Peer(member) = node {
                    for other in self.partners(member) {
                        self.listen(member, other);
                    }
                }
            }
            Kind::SlowPeer | Kind::SlowReader => {
                let us = self.lasting(1_000_000, 10_000_000);
                self.host_mut(node).slowness = self.fate.within(10..=150);
                self.passes_after(us, Relief::Speed(node));
            }
            Kind::SlowDisk => {
                let us = self.lasting(1_000_000, 10_000_000);
                self.host_mut(node).disk_slowness = self.fate.within(3..=30);
                self.passes_after(us, Relief::DiskSpeed(node));
            }
            Kind::FrozenDisk => {
                let us = self.lasting(300_000, 8_000_000);
                self.host_mut(node).frozen_until_us = now_us + us;
            }
            Kind::ClockStep => {
                let steps = [-86_400_000, -3_600_000, -2_000, 300, 5_000, 3_600_000];
                self.host_mut(node).skew_ms = self.fate.pick(&steps);
            }
            Kind::Delay => {
                let us = self.lasting(500_000, 5_000_000);
                let spike_us = self.fate.within(20_000..=600_000);
                self.director.as_mut().expect("faults strike").spike_us = spike_us;
                self.passes_after(us, Relief::Delay);
            }
            Kind::Reorder => {
                self.shape.weather.is_unordered = true;
                let us = self.lasting(1_000_000, 8_000_000);
                self.passes_after(us, Relief::Order);
            }
            _ => return false,
        }
        true
    }

    /// Draws the process that a fault strikes, for faults of several kinds of processes.
    pub(super) fn any_node(&mut self, kind: Kind) -> Node {
        let member = Node::Peer(self.fate.next() as usize % self.machines.len());
        let chance = self.fate.next() % 10;
        match (kind, chance) {
            (Kind::SlowReader, 0..5) if self.aggregator.is_some() => Node::Aggregator,
            (Kind::SlowReader, _) if self.indexer.is_some() => Node::Indexer,
            (Kind::SlowPeer, _) => member,
            (_, 0) if self.aggregator.is_some() => Node::Aggregator,
            (_, 1) if self.indexer.is_some() => Node::Indexer,
            _ => member,
        }
    }

    /// Ends the effect of a fault.
    pub(crate) fn passes(&mut self, relief: Relief) {
        match relief {
            Relief::Unblock(pairs) => {
                for (from, to) in pairs {
                    self.unblock(from, to);
                }
            }
            Relief::Speed(node) => self.host_mut(node).slowness = 1,
            Relief::DiskSpeed(node) => self.host_mut(node).disk_slowness = 1,
            Relief::Space(node) => self.host_mut(node).is_full = false,
            Relief::Commits(node) => self.host_mut(node).is_failing = false,
            Relief::Delay => {
                if let Some(director) = &mut self.director {
                    director.spike_us = 0;
                }
            }
            Relief::Order => {
                if let Some(director) = &self.director {
                    let weather = &mut self.shape.weather;
                    (weather.is_unordered, weather.twice_permille) = director.usual;
                }
            }
            Relief::Wipe { member, pairs } => {
                if self.may_strike_peers() {
                    self.wiped(member);
                }
                self.passes(Relief::Unblock(pairs));
            }
            Relief::Loss(loss) => self.lose_if_seen(loss),
        }
    }
}
