//! The promises as invariants, one a file, checked with every commit, message and answer.
//!
//! A broken promise is a value, not a panic, so that the runner of a world can name, count and shrink it.

mod absent;
mod acknowledged;
mod bounded;
mod complete;
mod contained;
mod converged;
mod early;
mod explained;
pub(crate) mod indexed;
mod linked;
mod looked;
pub(crate) mod merged;
mod monotone;
mod one_block;
mod outside;
mod phantom;
mod positions;
pub(crate) mod progress;
pub(crate) mod quiet;
mod receipts;
mod replica;
mod settled;

use std::{collections::BTreeMap, fmt};

use kittengrad_aggregator_core::CellReport;
use kittengrad_client_core::merge::Merged as Answer;
use kittengrad_indexer_core::Commit;
use kittengrad_journal::Write;
use kittengrad_node_core::Submitted;
use kittengrad_proto::{
    id::{Id, PublicKey, RecordId},
    link::Message,
};

use crate::{
    disk::SimDisk, host::Node, indexer::IndexDisk, peer::Machine, publisher::Publication,
    story::Request,
};

use acknowledged::Acknowledged;
use complete::Complete;
use contained::Contained;
use indexed::Indexed;
use merged::Merged;
use monotone::Lookups;
use one_block::Blocks;
use phantom::Known;

pub use outside::Outside;
pub use replica::Replica;

pub(crate) use bounded::is_released;
pub(crate) use converged::differences;
pub(crate) use explained::{blocks, check_disk};
pub(crate) use positions::check_positions;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// The promise in `docs/promises.md`.
    pub source: &'static str,
    /// The observation that breaks it.
    pub what: String,
    /// The time, in virtual milliseconds.
    pub at_ms: u64,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, source: &'static str, what: String) -> Self {
        Self {
            invariant,
            source,
            what,
            at_ms: 0,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            source,
            what,
            at_ms,
        } = self;
        write!(f, "{invariant} ({source}) at {at_ms} ms: {what}")
    }
}

/// The outcome of a check: kept, or the violation.
pub type Verdict = Result<(), Violation>;

/// Returns a violation unless the promise is kept.
pub(crate) fn check(
    is_kept: bool,
    invariant: &'static str,
    source: &'static str,
    message: impl FnOnce() -> String,
) -> Verdict {
    if is_kept {
        Ok(())
    } else {
        Err(Violation::new(invariant, source, message()))
    }
}

/// The memory of all invariants.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    blocks: Blocks,
    pub(crate) complete: Complete,
    pub(crate) contained: Contained,
    pub(crate) acknowledged: Acknowledged,
    known: Known,
    lookups: Lookups,
    pub(crate) merged: Merged,
    indexed: Indexed,
    /// The arrival of the last confirmation, by receiver, sender and transaction.
    heard: BTreeMap<(PublicKey, PublicKey, Id), u64>,
    /// How often the body of a transaction was pushed to a machine, and how often fetched by it.
    pub(crate) pushed: BTreeMap<(PublicKey, Id), usize>,
    pub(crate) fetched: BTreeMap<(PublicKey, Id), usize>,
}

impl Invariants {
    /// Notes a transaction that a client is going to send.
    pub(crate) fn says(&mut self, publication: &Publication) {
        self.known.says(&publication.submission.transaction);
    }

    /// Checks a commit of a peer before it is written.
    pub(crate) fn commits(&mut self, machine: &Machine, writes: &[Write]) -> Verdict {
        let owner = machine.key();
        self.known.commits(writes)?;
        linked::commits(machine.disk.sound(), writes)?;
        explained::commits(machine.disk.sound(), writes)?;
        explained::brings(machine.disk.sound(), writes)?;
        self.contained.commits(writes);
        self.merged.lists(owner, writes);
        self.blocks.commits(owner, writes)
    }

    /// Checks a message of a peer before it is sent. `is_early` is true before the commit of its round.
    pub(crate) fn sends(&self, from: PublicKey, message: &Message, is_early: bool) -> Verdict {
        early::sends(message, is_early)?;
        self.blocks.sends(from, message)
    }

    /// Counts the bodies of a message on its way.
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

    /// Notes a confirmation that reaches a peer.
    pub(crate) fn hears(&mut self, to: PublicKey, from: PublicKey, message: &Message, now_us: u64) {
        if let Message::PushResult(result) = message
            && result.outcome.is_ok()
        {
            self.heard.insert((to, from, result.id), now_us);
        }
    }

    /// Checks an acknowledgement by a coordinator, and its receipt.
    pub(crate) fn acknowledges(
        &mut self,
        machines: &[Machine],
        coordinator: PublicKey,
        request: &Request,
        submitted: &Submitted,
        now_us: u64,
        needed: impl Fn(usize) -> usize,
    ) -> Verdict {
        let heard = |machine: &Machine| {
            let from = machine.key();
            let heard = self
                .heard
                .get(&(coordinator, from, request.publication.id()));
            heard.copied()
        };
        acknowledged::is_on_disks(machines, request, heard, needed)?;
        let quorum = machines[0].view.replication().quorum();
        let publication = &request.publication.submission.transaction;
        if let Some(receipt) = &submitted.receipt {
            receipts::proves(receipt, publication, quorum, &*machines[0].verifier)?;
        }
        self.acknowledged.add(publication, now_us);
        Ok(())
    }

    /// Checks a peer that reports to be settled.
    pub(crate) fn settles(&self, machine: &Machine, started_us: u64) -> Verdict {
        settled::settles(&self.acknowledged, machine, started_us)
    }

    /// Checks that the acknowledged elements of a disk that lost data are on other disks.
    pub(crate) fn survives(&self, machines: &[Machine], lost: usize) -> Verdict {
        self.acknowledged.survives(machines, lost)
    }

    /// Checks the answer of a replica against its earlier ones.
    pub(crate) fn shows(
        &mut self,
        from: Node,
        canonical: RecordId,
        set: Option<&[RecordId]>,
    ) -> Verdict {
        self.lookups.shows(from, canonical, set)
    }

    /// Forgets the earlier answers of a node whose disk lost data.
    pub(crate) fn forget_reads(&mut self, node: Node) {
        self.lookups.forget(node);
    }

    /// Checks the complete answer of a reader.
    pub(crate) fn looks(&self, canonical: RecordId, answer: &Answer, began_us: u64) -> Verdict {
        looked::looks(&self.acknowledged, canonical, answer, began_us)
    }

    /// Checks a commit of the aggregator before it is written.
    pub(crate) fn merges(&mut self, disk: &SimDisk, writes: &[Write]) -> Verdict {
        self.known.commits(writes)?;
        linked::commits(disk.sound(), writes)?;
        explained::commits(disk.sound(), writes)?;
        absent::commits(disk.sound(), writes)?;
        self.merged.commits(disk.sound(), writes)?;
        self.contained.commits(writes);
        let owner = writes.iter().find_map(|write| match write {
            Write::Block(stored) => Some(stored.block.header.peer),
            _ => None,
        });
        owner.map_or(Ok(()), |owner| self.blocks.commits(owner, writes))
    }

    /// Checks to which times an aggregator says that its cells are complete.
    pub(crate) fn completes(
        &mut self,
        aggregator: PublicKey,
        cells: &[CellReport],
        disk: &SimDisk,
    ) -> Verdict {
        self.complete.says(cells, &self.acknowledged, disk)?;
        self.contained.establishes(aggregator, cells, disk.sound())
    }

    /// Forgets the earlier answers of an aggregator whose disk was wiped.
    pub(crate) fn merged_anew(&mut self) {
        self.lookups.forget(Node::Aggregator);
    }

    /// Checks a commit of the indexer before it is written.
    pub(crate) fn indexes(&mut self, disk: &IndexDisk, commit: &Commit) -> Verdict {
        self.indexed.commits(disk, commit, &self.merged)
    }

    /// Forgets the cursor of an index that was wiped, or that reads its journal again from the first block.
    pub(crate) fn indexed_again(&mut self) {
        self.indexed = Indexed::default();
    }
}
