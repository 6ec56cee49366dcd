//! The same promises for whoever looks at a network from outside, as at real processes: at what clients are told and
//! journals show while they run, and at the disks once they were stopped.

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

/// The memory of everything that was said to a network and heard of it.
#[derive(Debug, Default)]
pub struct Outside {
    known: Known,
    acknowledged: Acknowledged,
    lookups: Lookups,
    blocks: Blocks,
}

impl Outside {
    /// A client is going to say something.
    pub fn says(&mut self, said: &Transaction) {
        self.known.says(said);
    }

    /// A client is told that its transaction is safe; `at_us` is when.
    ///
    /// # Errors
    /// If the receipt proves less.
    pub fn acknowledges(
        &mut self,
        said: &Transaction,
        receipt: Option<&Receipt>,
        quorum: usize,
        verifier: &dyn Verifier,
        at_us: u64,
    ) -> Verdict {
        if let Some(receipt) = receipt {
            receipts::proves(receipt, said, quorum, verifier)?;
        }
        self.acknowledged.add(said, at_us);
        Ok(())
    }

    /// How many transactions were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.all.len()
    }

    /// A replica or aggregator answers; `set` is `None` if it knows nothing of the canonical.
    ///
    /// # Errors
    /// If it shows what nobody said, or no longer shows what it showed.
    pub fn shows(&mut self, from: Node, canonical: RecordId, set: Option<&[RecordId]>) -> Verdict {
        for update in set.into_iter().flatten() {
            self.known.check(&Element {
                canonical,
                update: Some(*update),
            })?;
        }
        self.lookups.shows(from, canonical, set)
    }

    /// A disk lost something: what was shown may be gone.
    pub fn forget_reads(&mut self, node: Node) {
        self.lookups.forget(node);
    }

    /// A reader that began to ask at `began_us` has an answer that counts as complete.
    ///
    /// # Errors
    /// If it does not show what was acknowledged before.
    pub fn looks(&self, canonical: RecordId, answer: &Answer, began_us: u64) -> Verdict {
        looked::looks(&self.acknowledged, canonical, answer, began_us)
    }

    /// A journal shows a block.
    ///
    /// # Errors
    /// If another one was seen in its place.
    pub fn sees(&mut self, header: &Header) -> Verdict {
        self.blocks.sees(header.peer, header)
    }

    /// A disk has these blocks.
    ///
    /// # Errors
    /// As [`Outside::sees`].
    pub fn sees_disk(&mut self, disk: &dyn Store) -> Verdict {
        for block in blocks(disk) {
            self.sees(&block.header)?;
        }
        Ok(())
    }

    /// All peers converged and were stopped: their disks explain themselves and agree, and have everything that was
    /// acknowledged and nothing that nobody said. `sets` are the sets of the replicas, in their order.
    ///
    /// # Errors
    /// If that is not so.
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

    /// An aggregator read everything and was stopped: its journal explains its set, which has all that the replicas have.
    ///
    /// # Errors
    /// If that is not so.
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

    /// An index read everything: its documents are the view's and no others, and its digest is that of their folds.
    ///
    /// # Errors
    /// If that is not so.
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

/// Every element is on all replicas of its cell.
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
