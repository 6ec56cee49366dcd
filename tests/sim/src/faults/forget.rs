//! Disks that forget without being empty: they lied about a sync, or an old copy was put in their place.
//!
//! Such a disk needs somebody who saw what it forgot when its peer starts again: that is what the start rule rests on. So
//! there is a truce: the loss waits until all partners are there, and they are left alone until the peer has opened. Who
//! the witnesses are then is drawn, from the easiest to what the rule only just bears.

use kittengrad_journal::applied;
use kittengrad_proto::block::Head;
use kittengrad_ring::KeyRanges;

use super::{
    Kind, Relief,
    loss::{Loss, Stage, Witness},
};
use crate::{disk::SimDisk, host::Node, queue::Event, world::World};

/// How often it is looked whether a disk may be lost, in microseconds.
const LOOK_US: u64 = 100_000;
/// The truce lasts so long at most: until the disk has forgotten, and until its peer has opened, in microseconds.
const TRUCE_US: u64 = 15_000_000;

/// Where a block stands in its owner's journals.
type Place = (u64, u64);

const fn place(head: Head) -> Place {
    (head.incarnation, head.height)
}

impl World {
    /// A disk is going to forget what it said that it had.
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

    /// What a disk writes from now on is what it forgets; or more, if there is an older copy.
    fn begins_to_forget(&mut self, member: usize, kind: Kind) {
        if kind == Kind::Lie {
            self.machines[member].disk.lie();
        } else if !self.copies.contains_key(&member) || self.fate.permille(600) {
            self.copies
                .insert(member, self.machines[member].disk.copy());
        }
    }

    /// The disk forgets, once everybody who must have seen its journal is there; and they are left alone until its
    /// peer has opened.
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

    /// Everybody is there who has to be.
    fn move_on(&mut self, loss: &mut Loss) {
        let member = loss.member;
        match (loss.witness, loss.stage) {
            (Witness::Late(witness), Stage::Gathers) => {
                // The others see nothing of what is forgotten.
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

    /// Everybody is as fast as ever: who is the only one to know has to be heard in time.
    fn hurry(&mut self) {
        if let Some(director) = &mut self.director {
            director.spike_us = 0;
        }
        for machine in &mut self.machines {
            (machine.host.slowness, machine.host.disk_slowness) = (1, 1);
        }
    }

    /// Whether all who have to see the journal do.
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

    /// A disk has less than before, but somebody saw what it lost. Returns whether that could be.
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
        // The process ends first: what it was committing goes the same way.
        self.dies(member);
        self.machines[member].disk.restore(after);
        self.lost(member);
        self.answer_as(loss.witness, member, &partners);
        true
    }

    /// Whoever saw what was forgotten says so in its own way.
    fn answer_as(&mut self, witness: Witness, member: usize, partners: &[usize]) {
        match witness {
            Witness::Everybody => {}
            Witness::Late(witness) => {
                self.reach(member);
                let pairs = self.block_both(Node::Peer(member), Node::Peer(witness));
                // It has to be heard within the suspicion time, also after an attempt to connect that just failed.
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

    /// The last place in a peer's journal that a partner's disk says was read: it has seen that, if not more.
    fn read_by(&self, partner: usize, member: usize) -> Option<Place> {
        let disk = self.machines[partner].disk.sound();
        let read =
            applied(disk, self.key(member), &KeyRanges::whole()).expect("a disk in memory answers");
        read.and_then(|read| read.follower.head()).map(place)
    }

    /// Nothing gets through between two. Returns what got through before.
    pub(super) fn block_both(&mut self, a: Node, b: Node) -> Vec<(Node, Node)> {
        let pairs = [(a, b), (b, a)].into_iter();
        pairs.filter(|(from, to)| self.block(*from, *to)).collect()
    }

    /// Everybody reaches a peer.
    fn reach(&mut self, member: usize) {
        let node = Node::Peer(member);
        for (from, to) in self.network.blocks() {
            if from == node || to == node {
                self.unblock(from, to);
            }
        }
    }
}
