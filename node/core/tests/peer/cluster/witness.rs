//! What must never happen, looked at with every commit, every message and every answer.
//!
//! - Nothing that a peer signed leaves it before it is on its disk, and no two blocks have one place (S4, S7).
//! - A block goes on where the disk's journal ends, and adds exactly the elements that are written with it.
//! - What is acknowledged is on the disks that were asked for (S1), and its receipt proves so.
//! - Whoever says that it is settled has all that was acknowledged before it started.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{Store as _, StoredBlock, Write};
use kittengrad_node_core::Submitted;
use kittengrad_proto::{
    block::{Head, Item},
    id::{Id, PublicKey},
    link::Message,
    receipt::Receipt,
    transaction::Element,
};

use super::{keys::Hashes, machine::Machine, publisher::Said};

/// A transaction that its client was told is safe.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) at_us: u64,
    pub(crate) id: Id,
    pub(crate) elements: Vec<Element>,
}

/// The memory of everything that was ever seen.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Every block that was ever synced, by owner, incarnation and height.
    blocks: BTreeMap<(PublicKey, u64, u64), Id>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// How often the body of a transaction was sent to a machine: pushed, and fetched.
    pub(crate) pushed: BTreeMap<(PublicKey, Id), usize>,
    pub(crate) fetched: BTreeMap<(PublicKey, Id), usize>,
}

impl Witness {
    /// A machine is about to commit.
    pub(crate) fn commits(&mut self, machine: &Machine, writes: &[Write]) {
        let owner = machine.membership.my_key();
        let mut before: Option<StoredBlock> = None;
        let mut rows: BTreeMap<(u64, u32), usize> = BTreeMap::new();
        for write in writes {
            if let Write::Element(element, locator) = write {
                assert!(
                    machine.disk.locate(element).unwrap().is_none(),
                    "{element:?} is added twice"
                );
                *rows.entry((locator.height, locator.index)).or_default() += 1;
            }
        }
        for write in writes {
            let Write::Block(stored) = write else {
                continue;
            };
            let header = &stored.block.header;
            let place = (owner, header.incarnation, header.height);
            let known = self.blocks.entry(place).or_insert_with(|| header.hash());
            assert_eq!(*known, header.hash(), "two blocks at {place:?}");
            let below = before.take().or_else(|| {
                let height = header.height.checked_sub(1)?;
                machine.disk.block(header.incarnation, height).unwrap()
            });
            check_link(stored, below.as_ref());
            check_rows(stored, &mut rows);
            before = Some(StoredBlock::clone(stored));
        }
        assert!(
            rows.is_empty(),
            "elements were written that no block adds: {rows:?}"
        );
    }

    /// A machine is about to send a message; `is_early` before its commit.
    pub(crate) fn sends(&self, from: PublicKey, message: &Message, is_early: bool) {
        if is_early {
            let is_free = matches!(
                message,
                Message::Push(_) | Message::Fetch(_) | Message::Follow { .. }
            );
            assert!(is_free, "sent before the commit: {message:?}");
        }
        for head in signed_heads(message) {
            self.shows(from, head);
        }
    }

    /// A message is on its way.
    pub(crate) fn moves(&mut self, to: PublicKey, message: &Message) {
        match message {
            Message::Push(push) => {
                *self.pushed.entry((to, push.transaction.id())).or_default() += 1;
            }
            Message::Bodies { bodies, .. } => {
                for body in bodies {
                    *self.fetched.entry((to, body.transaction.id())).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn shows(&self, owner: PublicKey, head: Head) {
        let synced = self.blocks.get(&(owner, head.incarnation, head.height));
        assert_eq!(
            synced,
            Some(&head.hash),
            "{owner:?} shows {head:?}, which it never synced"
        );
    }

    /// A client is told that its transaction is safe.
    pub(crate) fn acknowledges(
        &mut self,
        machines: &[Machine],
        said: &Said,
        submitted: &Submitted,
        asked_us: u64,
        now_us: u64,
        needed: impl Fn(usize) -> usize,
    ) {
        let ring = machines[0].membership.ring();
        for element in said.elements() {
            let replicas = ring.replicas_of(element.canonical.point());
            let has = |member: &&usize| {
                let machine = &machines[**member];
                let is_here = machine.disk.contains(&[element]).unwrap()[0];
                // A disk may be lost while the answer is on its way.
                is_here || machine.lost_us.is_some_and(|lost_us| lost_us >= asked_us)
            };
            let count = replicas.iter().filter(has).count();
            assert!(
                count >= needed(replicas.len()),
                "{:?} is acknowledged, {element:?} is on {count} disks",
                said.id()
            );
        }
        if let Some(receipt) = &submitted.receipt {
            check_receipt(receipt, said, ring.replication().quorum());
        }
        self.acknowledged.push(Acknowledged {
            at_us: now_us,
            id: said.id(),
            elements: said.elements(),
        });
    }

    /// A machine says that it is settled.
    pub(crate) fn settles(&self, machine: &Machine, started_us: u64) {
        let before = self
            .acknowledged
            .iter()
            .filter(|acked| acked.at_us < started_us);
        for acked in before {
            for element in &acked.elements {
                assert!(
                    !machine.membership.holds_here(&element.canonical)
                        || machine.disk.contains(&[*element]).unwrap()[0],
                    "{:?} says that it is settled and lacks {:?}",
                    machine.membership.my_key(),
                    acked.id
                );
            }
        }
    }
}

fn check_link(stored: &StoredBlock, below: Option<&StoredBlock>) {
    let header = &stored.block.header;
    let Some(below) = below else {
        assert_eq!(
            (header.height, stored.offset),
            (0, 0),
            "a block begins in the air"
        );
        assert_eq!(header.previous, Id::ZERO);
        return;
    };
    assert_eq!(header.previous, below.block.header.hash());
    assert!(
        header.time_ms >= below.block.header.time_ms,
        "time went back"
    );
    let added: usize = added_by_item(below).map(|(_, count)| count).sum();
    assert_eq!(stored.offset, below.offset + added as u64);
}

/// Takes from `rows` what the block's items add, and nothing else.
fn check_rows(stored: &StoredBlock, rows: &mut BTreeMap<(u64, u32), usize>) {
    let height = stored.block.header.height;
    for (number, count) in added_by_item(stored) {
        let written = rows.remove(&(height, u32::try_from(number).unwrap()));
        assert_eq!(
            written.unwrap_or_default(),
            count,
            "item {number} of block {height}"
        );
    }
}

fn added_by_item(stored: &StoredBlock) -> impl Iterator<Item = (usize, usize)> {
    let items = stored.block.decode_items().unwrap().into_iter().enumerate();
    items.map(|(number, item)| match item {
        Item::Transaction { bitmap, .. } => (number, bitmap.count()),
        _ => (number, 0),
    })
}

/// The places in its own journal that a message vouches for.
fn signed_heads(message: &Message) -> Vec<Head> {
    match message {
        Message::Hello(hello) => hello.head.into_iter().collect(),
        Message::Alive(heartbeat) => vec![heartbeat.head],
        Message::Frames(frames) => {
            let blocks = frames.blocks.iter().map(|(block, _)| block.head());
            blocks.chain(frames.head).collect()
        }
        Message::PushResult(result) => {
            let proofs = result.outcome.iter().flatten();
            proofs.map(|proof| proof.header.head()).collect()
        }
        _ => Vec::new(),
    }
}

/// Everything that a receipt claims, but certificates, is proved by it.
fn check_receipt(receipt: &Receipt, said: &Said, quorum: usize) {
    assert_eq!(receipt.transaction, *said.submission.transaction);
    assert!(receipt.quorum as usize >= quorum.min(1));
    let mut proved: BTreeMap<Element, BTreeSet<PublicKey>> = BTreeMap::new();
    for confirmation in &receipt.confirmations {
        for proof in &confirmation.proofs {
            let elements = proof.verify(&confirmation.peer, &receipt.transaction, &Hashes);
            for element in elements.unwrap() {
                proved.entry(element).or_default().insert(confirmation.peer);
            }
        }
    }
    for element in said.elements() {
        let count = proved.get(&element).map_or(0, BTreeSet::len);
        assert!(
            count >= receipt.quorum as usize,
            "{element:?} is proved by {count} peers"
        );
        let cell = receipt
            .cells
            .iter()
            .find(|(cell, _)| cell.contains(element.canonical.point()));
        let (_, peers) = cell.expect("a receipt names the cell of each element");
        assert!(peers.iter().all(|peer| proved[&element].contains(peer)));
    }
}
