//! Faults of disks, up to the promise's edge: at most W−1 of a cell's disks have lost something at one time.
//!
//! A disk that forgets without being empty needs somebody who saw what it forgot when its peer starts again: that is
//! what the start rule rests on. So such a loss waits until all partners are there, and they are left alone until the
//! peer has opened.

use super::{Kind, Loss, Relief};
use crate::{disk::SimDisk, host::Node, queue::Event, world::World};

/// How often it is looked whether a disk may be lost, in microseconds.
const LOOK_US: u64 = 100_000;

impl World {
    /// Whether a peer's disk may lose something.
    pub(crate) fn may_lose(&self, member: usize) -> bool {
        let ring = self.machines[0].membership.ring();
        let quorum = ring.replication().quorum();
        let is_spared = |cell: usize| {
            let others = ring.replicas(cell).into_iter();
            let lost = others.filter(|other| *other != member && self.machines[*other].is_lost);
            lost.count() + 1 < quorum
        };
        !self.machines[member].is_lost
            && ring.shared_cells(member, member).into_iter().all(is_spared)
    }

    /// A peer's disk lost something that was synced.
    pub(crate) fn lost(&mut self, member: usize) {
        let now_us = self.queue.now_us;
        let machine = &mut self.machines[member];
        (machine.is_lost, machine.lost_us) = (true, Some(now_us));
        self.invariants.forget_reads(Node::Peer(member));
        let checked = self.invariants.survives(&self.machines, member);
        self.judge(checked);
    }

    pub(super) fn wiped(&mut self, member: usize) -> bool {
        if !self.may_lose(member) {
            return false;
        }
        self.kill_quietly(member);
        self.machines[member].disk.wipe();
        self.lost(member);
        true
    }

    /// The process ends with the power; whoever looks after it starts it again.
    fn kill_quietly(&mut self, member: usize) {
        if self.is_up(member) {
            self.dies(member);
        } else {
            self.look_after(Node::Peer(member));
        }
    }

    pub(super) fn rot_peer(&mut self, member: usize) -> bool {
        let machine = &mut self.machines[member];
        if machine.disk.is_rotten() || !self.may_lose(member) {
            return false;
        }
        let machine = &mut self.machines[member];
        if !machine.disk.rot(&mut self.fate) {
            return false;
        }
        self.lost(member);
        true
    }

    pub(super) fn rot_aggregator(&mut self) -> bool {
        let Some(machine) = &mut self.aggregator else {
            return false;
        };
        !machine.disk.is_rotten() && machine.disk.rot(&mut self.fate)
    }

    /// Somebody looks at all disks, and finds what rotted.
    pub(super) fn find_rot(&mut self) {
        let nodes = self.nodes();
        for node in nodes {
            let Some(disk) = self.disk(node).filter(|disk| disk.is_rotten()) else {
                continue;
            };
            disk.find();
            self.notice_damage(node);
        }
    }

    /// Somebody read what rotted: the process ends, and its store is put aside when it is started again.
    pub(crate) fn notice_damage(&mut self, node: Node) {
        if !self.disk(node).is_some_and(SimDisk::is_found) || !self.host(node).is_up {
            return;
        }
        match node {
            Node::Peer(member) => self.dies(member),
            Node::Aggregator => self.aggregator_dies(),
            Node::Indexer | Node::Client(_) => {}
        }
    }

    /// A disk is full, or its commits fail, for a while.
    pub(super) fn trouble_disk(&mut self, kind: Kind) -> bool {
        let node = self.any_node(kind);
        let us = self.lasting(1_500_000, 8_000_000);
        let host = self.host_mut(node);
        if kind == Kind::FullDisk {
            host.is_full = true;
            self.fired(kind);
            self.passes_after(us, Relief::Space(node));
        } else {
            // Counted when a commit fails.
            host.is_failing = true;
        }
        true
    }

    /// A commit failed, and more will for a while.
    pub(crate) fn commit_failed(&mut self, node: Node) {
        self.fired(Kind::FailedCommit);
        let us = self.lasting(100_000, 2_000_000);
        self.passes_after(us, Relief::Commits(node));
    }

    /// A disk is going to lose what it said that it had.
    pub(super) fn prepare_loss(&mut self, member: usize, kind: Kind) -> bool {
        let now_us = self.queue.now_us;
        let is_losing = self
            .director
            .as_ref()
            .is_none_or(|director| director.is_losing);
        if is_losing || !self.may_lose(member) || !self.is_up(member) {
            return false;
        }
        self.director.as_mut().expect("it is there").is_losing = true;
        match kind {
            Kind::Lie => self.machines[member].disk.lie(),
            _ => {
                let copy = self.machines[member].disk.copy();
                self.copies.insert(member, copy);
            }
        }
        let us = self.fate.within(1_000_000..=5_000_000);
        let loss = Loss {
            member,
            kind,
            until_us: now_us + us + 8_000_000,
            is_done: false,
        };
        self.passes_after(us, Relief::Loss(loss));
        true
    }

    /// The disk loses it, once everybody who must have seen its journal is there; and they are left alone until its
    /// peer has opened.
    pub(super) fn lose_if_seen(&mut self, mut loss: Loss) {
        let (member, now_us) = (loss.member, self.queue.now_us);
        let Some(director) = self.director.as_mut().filter(|director| director.is_active) else {
            return;
        };
        let process = self.machines[member].process.as_ref();
        let is_open = process.is_some_and(|process| process.shown.is_open);
        if now_us > loss.until_us || loss.is_done && is_open {
            (director.truce, director.is_losing) = (None, false);
        } else if loss.is_done {
            self.passes_after(LOOK_US, Relief::Loss(loss));
        } else if !self.may_lose(member) {
            let director = self.director.as_mut().expect("it is there");
            (director.truce, director.is_losing) = (None, false);
        } else {
            if self
                .director
                .as_mut()
                .expect("it is there")
                .truce
                .replace(member)
                .is_none()
            {
                self.gather();
            }
            if self.are_gathered(member) && self.forgets(member, loss.kind) {
                self.fired(loss.kind);
                (loss.is_done, loss.until_us) = (true, now_us + 15_000_000);
            }
            self.passes_after(LOOK_US, Relief::Loss(loss));
        }
    }

    /// Everybody runs, reaches everybody and knows the time.
    pub(super) fn gather(&mut self) {
        for (from, to) in self.network.blocks() {
            if let (Node::Peer(_), Node::Peer(_)) = (from, to) {
                self.unblock(from, to);
            }
        }
        for other in self.members() {
            self.machines[other].fuse = None;
            let host = &mut self.machines[other].host;
            (host.is_failing, host.is_full, host.skew_ms) = (false, false, 0);
            if !host.is_up {
                let (node, run) = (Node::Peer(other), host.run);
                self.queue.after(1, Event::Restarts { node, run });
            }
        }
    }

    fn are_gathered(&self, member: usize) -> bool {
        let now_us = self.queue.now_us;
        let key = self.key(member);
        let hears = |other: usize| {
            let machine = &self.machines[other];
            let process = machine.process.as_ref();
            let status = process.map(|process| &process.shown);
            let is_there = machine.host.paused_until_us <= now_us
                && status.is_some_and(|status| status.is_open);
            let of_member = status.and_then(|s| s.partners.iter().find(|(of, _)| *of == key));
            is_there && of_member.is_none_or(|(_, of)| of.is_up)
        };
        let process = self.machines[member].process.as_ref();
        let is_idle = process.is_some_and(|process| process.output.is_none());
        is_idle
            && self.machines[member].host.paused_until_us <= now_us
            && self.partners(member).into_iter().all(hears)
    }

    /// A disk has less than before, but somebody saw what it lost. Returns whether that could be.
    fn forgets(&mut self, member: usize, kind: Kind) -> bool {
        let place = |head: kittengrad_proto::block::Head| (head.incarnation, head.height);
        let key = self.key(member);
        let seen = self
            .partners(member)
            .into_iter()
            .filter(|other| !self.machines[*other].is_lost);
        let seen = seen.filter_map(|other| {
            let process = self.machines[other].process.as_ref()?;
            let of_member = process.shown.partners.iter().find(|(of, _)| *of == key);
            of_member.and_then(|(_, of)| of.head).map(place)
        });
        let Some(seen) = seen.max() else {
            return false;
        };
        let disk = &self.machines[member].disk;
        let after = match kind {
            Kind::Restore => self.copies.get(&member).cloned(),
            _ => Some(disk.without_power(&mut self.fate)),
        };
        let Some(after) = after else {
            return false;
        };
        if SimDisk::head_of(&after).is_some_and(|left| place(left) >= seen) {
            return false;
        }
        // The process ends first: what it was committing goes the same way.
        self.dies(member);
        self.machines[member].disk.restore(after);
        self.lost(member);
        true
    }
}
