//! Questions of a story about the world: the content of disks, and the status of cores.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{BlockStore as _, ElementStore as _};
use kittengrad_node_core::{Event as Told, Status};
use kittengrad_proto::{
    block::{Block, Item},
    id::Id,
    transaction::Element,
};

use crate::{
    invariants::blocks,
    peer::{Machine, Process},
    publisher::Publication,
    world::World,
};

impl World {
    /// The status of a running member.
    #[must_use]
    pub fn status(&self, member: usize) -> Status {
        let process = self.machines[member].process.as_ref();
        process.expect("it runs").driver.status()
    }

    /// Whether a member's disk has all elements of a transaction that the member holds.
    #[must_use]
    pub fn has(&self, member: usize, publication: &Publication) -> bool {
        let machine = &self.machines[member];
        let mut elements = publication.elements();
        elements.retain(|element| machine.view.holds_here(&element.canonical));
        machine
            .disk
            .contains(&elements)
            .unwrap()
            .into_iter()
            .all(|is_here| is_here)
    }

    /// A member's set.
    #[must_use]
    pub fn elements(&self, member: usize) -> BTreeSet<Element> {
        self.machines[member].disk.elements()
    }

    /// A member's journal.
    #[must_use]
    pub fn blocks(&self, member: usize) -> Vec<Block> {
        blocks(self.machines[member].disk.sound())
    }

    /// The number of items in a member's journal that list a transaction.
    #[must_use]
    pub fn listings(&self, member: usize, id: Id) -> usize {
        let lists = |item| matches!(item, Item::Transaction { id: found, .. } if found == id);
        let blocks = self.blocks(member);
        let items = blocks
            .iter()
            .flat_map(|block| block.decode_items().unwrap());
        items.filter(|item| lists(item.clone())).count()
    }

    /// The incarnations on a member's disk, ascending.
    #[must_use]
    pub fn incarnations(&self, member: usize) -> Vec<u64> {
        let ends = self.machines[member].disk.incarnations().unwrap();
        ends.iter().map(|end| end.incarnation).collect()
    }

    /// The events of a member's core, in order.
    #[must_use]
    pub fn told(&self, member: usize) -> &[Told] {
        &self.told[member]
    }

    /// How often the bytes of a transaction were pushed to a member, and how often fetched by it.
    #[must_use]
    pub fn bodies(&self, member: usize, publication: &Publication) -> (usize, usize) {
        let key = (self.key(member), publication.id());
        let count = |counts: &BTreeMap<_, usize>| counts.get(&key).copied().unwrap_or_default();
        (
            count(&self.invariants.pushed),
            count(&self.invariants.fetched),
        )
    }

    /// The number of transactions that a quorum acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.invariants.acknowledged.all.len()
    }

    /// Panics unless every acknowledged element is on all of its replicas.
    pub fn assert_nothing_is_lost(&self) {
        let verdict = self.invariants.acknowledged.is_everywhere(&self.disks());
        verdict.unwrap();
    }

    /// The number of other members that do not run, or may lack elements that they once confirmed.
    #[must_use]
    pub fn weak_others(&self, member: usize) -> usize {
        let others = self.machines.iter().enumerate();
        let others = others.filter(|(number, _)| *number != member);
        let is_weak = |machine: &Machine| {
            let is_settled =
                |process: &Process| process.steps.is_none() && process.driver.status().is_settled;
            !machine.process.as_ref().is_some_and(is_settled)
        };
        others.filter(|(_, machine)| is_weak(machine)).count()
    }

    /// Whether all members run and are connected with all partners.
    #[must_use]
    pub fn are_all_connected(&self) -> bool {
        self.members().into_iter().all(|member| {
            self.is_up(member) && self.status(member).partners.iter().all(|(_, of)| of.is_up)
        })
    }

    /// Checks all disks.
    pub fn check(&self) {
        self.check_disks().unwrap();
    }
}
