//! The same invariants for an observer from outside, for example of real processes. They check the answers and the
//! blocks of running processes, and the disks of stopped ones.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_client_core::merge::Merged as Answer;
use kittengrad_journal::Store;
use kittengrad_proto::{
    block::Header,
    id::{PublicKey, RecordId},
    namespace::Overlay,
    receipt::Receipt,
    signed::Verifier,
    transaction::{Element, Transaction},
};

use super::{
    Replica, Verdict, acknowledged::Acknowledged, blocks, check_disk, check_positions, indexed,
    looked, merged, monotone::Lookups, one_block::Blocks, phantom::Known, receipts,
};
use crate::host::Node;

/// The memory of an observer: the transactions, answers and blocks so far.
#[derive(Debug, Default)]
pub struct Outside {
    known: Known,
    acknowledged: Acknowledged,
    lookups: Lookups,
    blocks: Blocks,
}

impl Outside {
    /// Notes a transaction that a client is going to send.
    pub fn says(&mut self, transaction: &Transaction) {
        self.known.says(transaction);
    }

    /// Checks the receipt of an acknowledged transaction, and notes the acknowledgement at `at_us`.
    ///
    /// # Errors
    /// If the receipt proves less than the quorum.
    pub fn acknowledges(
        &mut self,
        transaction: &Transaction,
        receipt: Option<&Receipt>,
        quorum: usize,
        verifier: &dyn Verifier,
        at_us: u64,
    ) -> Verdict {
        if let Some(receipt) = receipt {
            receipts::proves(receipt, transaction, quorum, verifier)?;
        }
        self.acknowledged.add(transaction, at_us);
        Ok(())
    }

    /// The number of acknowledged transactions.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.all.len()
    }

    /// Checks the answer of a replica or aggregator. `set` is `None` if the node does not know the canonical.
    ///
    /// # Errors
    /// If it has an update that no client sent, or lacks one that it had before.
    pub fn shows(&mut self, from: Node, canonical: RecordId, set: Option<&[RecordId]>) -> Verdict {
        for update in set.into_iter().flatten() {
            self.known.check(&Element {
                canonical,
                update: Some(*update),
            })?;
        }
        self.lookups.shows(from, canonical, set)
    }

    /// Forgets the earlier answers of a node whose disk lost data.
    pub fn forget_reads(&mut self, node: Node) {
        self.lookups.forget(node);
    }

    /// Checks the complete answer of a reader that started to ask at `began_us`.
    ///
    /// # Errors
    /// If it lacks an element that was acknowledged before.
    pub fn looks(&self, canonical: RecordId, answer: &Answer, began_us: u64) -> Verdict {
        looked::looks(&self.acknowledged, canonical, answer, began_us)
    }

    /// Notes a block of a journal.
    ///
    /// # Errors
    /// If another block was seen in its place.
    pub fn sees(&mut self, header: &Header) -> Verdict {
        self.blocks.sees(header.peer, header)
    }

    /// Notes all blocks of a disk.
    ///
    /// # Errors
    /// As [`Outside::sees`].
    pub fn sees_disk(&mut self, disk: &dyn Store) -> Verdict {
        for block in blocks(disk) {
            self.sees(&block.header)?;
        }
        Ok(())
    }

    /// Checks the disks of peers that converged and were stopped: they explain themselves, agree, have all acknowledged
    /// elements, and have no element that no client sent. `sets` are the sets of the replicas, in their order.
    ///
    /// # Errors
    /// If one of these checks fails.
    pub fn check_replicas(
        &mut self,
        replicas: &[Replica<'_>],
        sets: &[BTreeSet<Element>],
        verifier: &dyn Verifier,
    ) -> Verdict {
        for (replica, set) in replicas.iter().zip(sets) {
            let (owner, overlay) = (replica.owner(), replica.view.overlay());
            let holds = |element: &Element| replica.view.holds_here(&element.canonical);
            check_disk(replica.disk, set, owner, overlay, verifier, holds, true)?;
            check_positions(*replica, replicas)?;
            self.sees_disk(replica.disk)?;
            set.iter()
                .try_for_each(|element| self.known.check(element))?;
        }
        self.acknowledged.is_everywhere(replicas)?;
        agree(replicas, sets)
    }

    /// Checks the disk of an aggregator that read everything and was stopped: its journal explains its set, which has
    /// all elements of the replicas.
    ///
    /// # Errors
    /// If one of these checks fails.
    pub fn check_view(
        &mut self,
        disk: &dyn Store,
        view: &BTreeSet<Element>,
        owner: PublicKey,
        overlay: &Overlay,
        verifier: &dyn Verifier,
        sets: &[BTreeSet<Element>],
    ) -> Verdict {
        check_disk(disk, view, owner, overlay, verifier, |_| true, false)?;
        self.sees_disk(disk)?;
        view.iter()
            .try_for_each(|element| self.known.check(element))?;
        merged::is_union(view, &sets.iter().flatten().copied().collect())
    }

    /// Checks an index that read everything: its documents are exactly those of the view, and its digest is that of
    /// their folds.
    ///
    /// # Errors
    /// If one of these checks fails.
    pub fn check_index(
        &self,
        documents: &BTreeMap<RecordId, BTreeSet<RecordId>>,
        digest: &str,
        view: &BTreeSet<Element>,
        record: impl Fn(&RecordId) -> Option<Bytes>,
    ) -> Verdict {
        let has = |element: &Element| {
            let document = documents.get(&element.canonical);
            document.is_some_and(|of| element.update.is_none_or(|update| of.contains(&update)))
        };
        indexed::is_view(has, view.iter())?;
        indexed::has_nothing_else(documents, view)?;
        indexed::is_fold(documents, digest, record)
    }
}

/// Checks that every element is on all replicas of its cell.
fn agree(replicas: &[Replica<'_>], sets: &[BTreeSet<Element>]) -> Verdict {
    let owners = replicas.iter().map(Replica::owner);
    let sets: BTreeMap<PublicKey, &BTreeSet<Element>> = owners.zip(sets).collect();
    for (holder, set) in &sets {
        for element in *set {
            for member in replicas[0].view.keys_holding(&element.canonical) {
                super::check(sets[&member].contains(element), "converged", "S3", || {
                    format!("{element:?} is on peer {holder:?} and not on peer {member:?}")
                })?;
            }
        }
    }
    Ok(())
}
