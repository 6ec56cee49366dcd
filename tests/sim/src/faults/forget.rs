//! Disks that forget data without being empty: they lied about a sync, or an old copy was restored.
//!
//! The start rule relies on a witness of the forgotten blocks when the peer of such a disk starts again. So there is a
//! truce: the loss waits until all partners run, and faults spare them until the peer has opened. The kind of witness
//! is drawn, from the easiest to the hardest that the rule bears.

use kittengrad_journal::applied;
use kittengrad_proto::block::Head;

use super::{
    Kind, Relief,
    loss::{Loss, Stage, Witness},
};
use crate::{disk::SimDisk, host::Node, queue::Event, world::World};

/// The time between two checks whether a disk may be lost, in microseconds.
const LOOK_US: u64 = 100_000;
/// The longest truce until the disk has forgotten, and again until its peer has opened, in microseconds.
const TRUCE_US: u64 = 15_000_000;

/// The place of a block in its owner's journals.
type Place = (u64, u64);

const fn place(head: Head) -> Place {
    (head.incarnation, head.height)
}

impl World {
    /// Prepares a disk to forget synced data. Returns whether that is allowed.
    pub(super) fn prepare_loss(&mut self, member: usize, kind: Kind) -> bool {
        let now_us = self.queue.now_us;
        let is_losing = self
            .director
            .as_ref()
            .is_none_or(|director| director.is_losing);
        if is_losing || !self.may_lose(member) || !self.is_up(member) {
            return false;
        }
        let partners = self.partners(member);
        let witness = match self.fate.next() % 4 {
            0 if !partners.is_empty() => Witness::Late(self.fate.pick(&partners)),
            1 => Witness::Absent,
            2 => Witness::Restarted,
            _ => Witness::Everybody,
        };
        self.director.as_mut().expect("it is there").is_losing = true;
        let us = match witness {
            Witness::Late(_) => LOOK_US,
            _ => {
                self.begins_to_forget(member, kind);
                self.fate.within(1_000_000..=5_000_000)
            }
        };
        let loss = Loss {
            member,
            kind,
            witness,
            stage: Stage::Gathers,
            until_us: now_us + us + TRUCE_US / 2,
        };
        self.passes_after(us, Relief::Loss(loss));
        true
    }

    /// Marks the start of the writes that the disk will forget. With an older copy it may forget more.
    fn begins_to_forget(&mut self, member: usize, kind: Kind) {
        if kind == Kind::Lie {
            self.machines[member].disk.lie();
        } else if !self.copies.contains_key(&member) || self.fate.permille(600) {
            self.copies
                .insert(member, self.machines[member].disk.copy());
        }
    }

    /// Lets the disk forget once all needed witnesses have seen its journal. The witnesses are spared until its peer
    /// has opened.
    pub(super) fn lose_if_seen(&mut self, mut loss: Loss) {
        let (member, now_us) = (loss.member, self.queue.now_us);
        let director = self.director.as_ref();
        if !director.is_some_and(|director| director.is_active) {
            return;
        }
        let process = self.machines[member].process.as_ref();
        let is_open = process.is_some_and(|process| process.shown.is_open);
        let is_done = loss.stage == Stage::Opens;
        if now_us > loss.until_us || is_done && is_open || !is_done && !self.may_lose(member) {
            self.end_truce(&loss);
            return;
        }
        if !is_done {
            let director = self.director.as_mut().expect("there is trouble");
            if director.truce.replace(member).is_none() {
                self.gather();
                if loss.witness != Witness::Everybody {
                    self.hurry();
                }
            }
            if self.are_gathered(&loss) {
                self.move_on(&mut loss);
            }
        }
        self.passes_after(LOOK_US, Relief::Loss(loss));
    }

    fn end_truce(&mut self, loss: &Loss) {
        if loss.stage == Stage::IsSeen {
            self.reach(loss.member);
        }
        let director = self.director.as_mut().expect("there is a truce");
        (director.truce, director.is_losing) = (None, false);
    }

    /// Goes on to the next stage, as all needed witnesses are there.
    fn move_on(&mut self, loss: &mut Loss) {
        let member = loss.member;
        match (loss.witness, loss.stage) {
            (Witness::Late(witness), Stage::Gathers) => {
                // The other partners see none of the forgotten blocks.
                for other in self.partners(member) {
                    if other != witness {
                        self.block_both(Node::Peer(member), Node::Peer(other));
                    }
                }
                self.copies.remove(&member);
                self.begins_to_forget(member, loss.kind);
                loss.stage = Stage::IsSeen;
            }
            _ if self.forgets(loss) => {
                self.fired(loss.kind);
                loss.stage = Stage::Opens;
                loss.until_us = self.queue.now_us + TRUCE_US;
            }
            _ => {}
        }
    }

    /// Starts all peers, unblocks them and sets their clocks right.
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

    /// Restores the speed of all machines, so that a single witness is heard in time.
    fn hurry(&mut self) {
        if let Some(director) = &mut self.director {
            director.spike_us = 0;
        }
        for machine in &mut self.machines {
            (machine.host.slowness, machine.host.disk_slowness) = (1, 1);
        }
    }

    /// Whether all needed witnesses run and are connected.
    fn are_gathered(&self, loss: &Loss) -> bool {
        let member = loss.member;
        let key = self.key(member);
        let hears = |other: usize| {
            let process = self.machines[other].process.as_ref();
            let status = process.map(|process| &process.shown);
            let of_member = status.and_then(|s| s.partners.iter().find(|(of, _)| *of == key));
            self.is_awake(other)
                && status.is_some_and(|status| status.is_open)
                && of_member.is_none_or(|(_, of)| of.is_up)
        };
        let process = self.machines[member].process.as_ref();
        let is_idle = process.is_some_and(|process| process.steps.is_none());
        is_idle
            && self.is_awake(member)
            && match (loss.witness, loss.stage) {
                (Witness::Late(witness), Stage::IsSeen) => hears(witness),
                _ => self.partners(member).into_iter().all(hears),
            }
    }

    fn is_awake(&self, member: usize) -> bool {
        let (host, now_us) = (&self.machines[member].host, self.queue.now_us);
        host.paused_until_us <= now_us && host.frozen_until_us <= now_us
    }

    /// Replaces the disk by an older state of which a witness has seen more. Returns whether there was one.
    fn forgets(&mut self, loss: &Loss) -> bool {
        let member = loss.member;
        let disk = &self.machines[member].disk;
        let after = match loss.kind {
            Kind::Restore => self.copies.get(&member).cloned(),
            _ => Some(disk.without_power(&mut self.fate)),
        };
        let Some(after) = after else {
            return false;
        };
        let left = SimDisk::head_of(&after).map(place);
        let partners = self.partners(member);
        let sound = partners
            .iter()
            .filter(|other| !self.machines[**other].is_lost);
        let seen = sound.map(|other| (*other, self.read_by(*other, member)));
        let seen: Vec<_> = seen.collect();
        let is_seen = match loss.witness {
            Witness::Everybody | Witness::Restarted => seen.iter().any(|(_, seen)| *seen > left),
            Witness::Absent => !seen.is_empty() && seen.iter().all(|(_, seen)| *seen > left),
            Witness::Late(witness) if self.machines[witness].is_lost => false,
            Witness::Late(witness) => {
                let is_right =
                    |(other, seen): &(usize, Option<Place>)| (*seen > left) == (*other == witness);
                seen.iter().all(is_right)
            }
        };
        if !is_seen {
            return false;
        }
        // The process ends first, so that its running commit is forgotten too.
        self.dies(member);
        self.machines[member].disk.restore(after);
        self.lost(member);
        self.answer_as(loss.witness, member, &partners);
        true
    }

    /// Lets the witnesses of the forgotten blocks answer in the drawn way.
    fn answer_as(&mut self, witness: Witness, member: usize, partners: &[usize]) {
        match witness {
            Witness::Everybody => {}
            Witness::Late(witness) => {
                self.reach(member);
                let pairs = self.block_both(Node::Peer(member), Node::Peer(witness));
                // The witness must be heard within the suspicion time, even after a failed attempt to connect.
                let late_us = self.shape.timing.suspicion_ms * 1_000 / 4;
                let us = self.fate.within(late_us / 4..=late_us);
                self.passes_after(us, Relief::Unblock(pairs));
            }
            Witness::Absent => {
                let others = partners.iter();
                let pairs = others
                    .flat_map(|other| self.block_both(Node::Peer(member), Node::Peer(*other)));
                let pairs = pairs.collect();
                let suspicion_us = self.shape.timing.suspicion_ms * 1_000;
                let us = self.fate.within(suspicion_us..=suspicion_us * 2);
                self.passes_after(us, Relief::Unblock(pairs));
            }
            Witness::Restarted => {
                for other in partners {
                    if self.is_up(*other) {
                        self.dies(*other);
                    }
                }
            }
        }
    }

    /// The last place in a peer's journal that a partner's disk marks as read. The partner has seen that place or more.
    fn read_by(&self, partner: usize, member: usize) -> Option<Place> {
        let disk = self.machines[partner].disk.sound();
        let read = applied(disk, self.key(member)).expect("a disk in memory answers");
        read.and_then(|read| read.follower.head()).map(place)
    }

    /// Blocks both directions between two nodes. Returns the directions that were open before.
    pub(super) fn block_both(&mut self, a: Node, b: Node) -> Vec<(Node, Node)> {
        let pairs = [(a, b), (b, a)].into_iter();
        pairs.filter(|(from, to)| self.block(*from, *to)).collect()
    }

    /// Unblocks all ways to and from a peer.
    fn reach(&mut self, member: usize) {
        let node = Node::Peer(member);
        for (from, to) in self.network.blocks() {
            if from == node || to == node {
                self.unblock(from, to);
            }
        }
    }
}
