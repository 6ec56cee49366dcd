//! Faults of disks, up to the limit of the promise: at most W−1 disks of a cell have lost data at one time.

use kittengrad_overlay::view::Cell;

use super::{Kind, Relief};
use crate::{disk::SimDisk, host::Node, world::World};

impl World {
    /// Whether a peer's disk may lose data.
    pub(crate) fn may_lose(&self, member: usize) -> bool {
        let view = &self.machines[member].view;
        let quorum = view.replication().quorum();
        let is_spared = |cell: &Cell| {
            let others = self.numbers_of(&view.replicas(cell)).into_iter();
            let lost = others.filter(|other| *other != member && self.machines[*other].is_lost);
            lost.count() + 1 < quorum
        };
        !self.machines[member].is_lost && view.cells_here().iter().all(is_spared)
    }

    /// Notes that a peer's disk lost synced data.
    pub(crate) fn lost(&mut self, member: usize) {
        let now_us = self.queue.now_us;
        let machine = &mut self.machines[member];
        (machine.is_lost, machine.lost_us) = (true, Some(now_us));
        self.invariants.forget_reads(Node::Peer(member));
        let key = self.machines[member].key();
        self.invariants.contained.forget(key);
        let checked = self.invariants.survives(&self.machines, member);
        self.judge(checked);
    }

    /// Wipes a disk: at once, or after a time in which no process reads its last blocks.
    pub(super) fn loses_all(&mut self, member: usize) -> bool {
        if self.fate.permille(700) || !self.may_lose(member) {
            return self.wiped(member);
        }
        let mut readers: Vec<_> = self.partners(member).into_iter().map(Node::Peer).collect();
        readers.extend(self.aggregator.as_ref().map(|_| Node::Aggregator));
        let pairs = readers
            .into_iter()
            .flat_map(|reader| self.block_both(Node::Peer(member), reader));
        let pairs = pairs.collect();
        let us = self.lasting(300_000, 3_000_000);
        self.passes_after(us, Relief::Wipe { member, pairs });
        true
    }

    /// Whether there is trouble and no truce.
    pub(super) fn may_strike_peers(&self) -> bool {
        let director = self.director.as_ref();
        director.is_some_and(|director| director.is_active && director.truce.is_none())
    }

    pub(super) fn wiped(&mut self, member: usize) -> bool {
        if !self.may_lose(member) {
            return false;
        }
        self.kill_quietly(member);
        if self.shape.remembers {
            // The old disk may come back.
            self.copies
                .insert(member, self.machines[member].disk.copy());
        }
        self.machines[member].disk.wipe();
        self.lost(member);
        self.fired(Kind::Wipe);
        // With more copies, more disks of a cell may be lost at one time.
        let partners = self.partners(member);
        if !partners.is_empty() && self.fate.permille(500) {
            let other = self.fate.pick(&partners);
            self.wiped(other);
        }
        true
    }

    /// Kills the process. Its supervisor restarts it.
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

    /// Finds the rotten rows of all disks, as a check of the whole disk does.
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

    /// Ends a process whose disk was found damaged. Its store is put aside at the next start.
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

    /// Fills a disk, or lets its commits fail, for a while.
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

    /// Counts a failed commit. Commits fail for a while.
    pub(crate) fn commit_failed(&mut self, node: Node) {
        self.fired(Kind::FailedCommit);
        let us = self.lasting(100_000, 2_000_000);
        self.passes_after(us, Relief::Commits(node));
    }
}
