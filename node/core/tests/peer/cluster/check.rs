//! What a disk must look like, and all disks together once they converged.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{self as journal, Follower, MemoryStore, Step, Store as _};
use kittengrad_proto::{
    block::{Block, Item},
    id::PublicKey,
    limits::GET_BLOCKS_MAX,
    transaction::{Element, Transaction},
};

use super::{keys::Hashes, machine::Machine};

/// The blocks of a disk's journal, through all incarnations.
pub(crate) fn blocks(disk: &MemoryStore) -> Vec<Block> {
    let mut blocks = Vec::new();
    for end in disk.incarnations().unwrap() {
        let limit = GET_BLOCKS_MAX as usize;
        let mut from_height = 0;
        while from_height <= end.height {
            let found =
                journal::blocks(disk, end.incarnation, from_height, limit, usize::MAX).unwrap();
            assert!(
                !found.blocks.is_empty(),
                "no block {from_height} of {}",
                end.incarnation
            );
            from_height += found.blocks.len() as u64;
            blocks.extend(found.blocks.into_iter().map(|stored| stored.block));
        }
    }
    blocks
}

/// The elements that an item adds; the disk has its transaction.
fn added(disk: &MemoryStore, machine: &Machine, item: &Item) -> Vec<Element> {
    let Item::Transaction { id, bitmap } = item else {
        return Vec::new();
    };
    let bytes = disk.transactions(&[*id]).unwrap().pop().flatten();
    let bytes = bytes.expect("a listed transaction is on the disk");
    let transaction = Transaction::decode(bytes, machine.membership.overlay()).unwrap();
    let elements = transaction.elements().enumerate();
    elements
        .filter(|(number, _)| bitmap.is_set(*number))
        .map(|(_, element)| element)
        .collect()
}

/// A disk explains itself: its journal verifies, its set is the fold of its journal and nothing is in it twice, and
/// the records and transactions of all that are there.
pub(crate) fn check_disk(machine: &Machine) {
    let disk = &machine.disk;
    let mut follower = Follower::new(machine.membership.my_key(), 0);
    let mut fold = BTreeSet::new();
    for block in blocks(disk) {
        assert_ne!(follower.accept(&block, &Hashes).unwrap(), Step::Known);
        for item in block.decode_items().unwrap() {
            for element in added(disk, machine, &item) {
                assert!(fold.insert(element), "{element:?} is journalled twice");
                assert!(machine.membership.holds_here(&element.canonical));
                let record = element.update.unwrap_or(element.canonical);
                assert!(
                    disk.records(&[record]).unwrap()[0].is_some(),
                    "no record {record}"
                );
            }
        }
    }
    assert_eq!(
        fold,
        disk.elements(),
        "the set is not the fold of the journal"
    );
}

/// No position in another's journal passes anything that is not here.
pub(crate) fn check_positions(machine: &Machine, others: &[Machine]) {
    for other in others {
        let key = other.membership.my_key();
        let Some(position) = journal::applied(&machine.disk, key).unwrap() else {
            continue;
        };
        let position = position.head().expect("a kept position is a block");
        let stored = other
            .disk
            .block(position.incarnation, position.height)
            .unwrap();
        if stored.is_none() {
            // The other disk was lost or replaced since: what is on it now was not passed.
            continue;
        }
        for block in blocks(&other.disk) {
            let head = block.head();
            if (head.incarnation, head.height) > (position.incarnation, position.height) {
                break;
            }
            for item in block.decode_items().unwrap() {
                let mut elements = added(&other.disk, other, &item);
                elements.retain(|element| machine.membership.holds_here(&element.canonical));
                let here = machine.disk.contains(&elements).unwrap();
                assert!(
                    here.into_iter().all(|is_here| is_here),
                    "{:?} passed block {} of {key:?} and lacks {item:?}",
                    machine.membership.my_key(),
                    head.height
                );
            }
        }
    }
}

/// What keeps all machines from having the same: nothing, once they converged.
pub(crate) fn differences(machines: &[Machine]) -> Vec<String> {
    let mut union: BTreeMap<Element, Vec<PublicKey>> = BTreeMap::new();
    for machine in machines {
        for element in machine.disk.elements() {
            union
                .entry(element)
                .or_default()
                .push(machine.membership.my_key());
        }
    }
    let ring = machines[0].membership.ring();
    let mut differences = Vec::new();
    for (element, holders) in union {
        let replicas = ring.replicas_of(element.canonical.point()).len();
        if holders.len() < replicas {
            differences.push(format!("{element:?} is only on {holders:?}"));
        }
    }
    for machine in machines {
        let Some(process) = &machine.process else {
            differences.push(format!("{:?} does not run", machine.membership.my_key()));
            continue;
        };
        let status = process.peer.status();
        if !status.is_open || !status.is_settled || status.missing > 0 {
            differences.push(format!(
                "{:?} is at {status:?}",
                machine.membership.my_key()
            ));
        }
    }
    differences
}
