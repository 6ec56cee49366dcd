//! What must never happen, one promise a file, looked at with every commit, every message and every answer.
//!
//! A broken promise is a value, not a panic, so that whoever runs a world can name it, count it and shrink it.

mod acknowledged;
mod bounded;
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
mod receipts;
mod replica;
mod settled;

use std::{collections::BTreeMap, fmt};

use kittengrad_client_core::merge::Merged as Answer;
use kittengrad_indexer_core::Commit;
use kittengrad_journal::Write;
use kittengrad_node_core::Submitted;
use kittengrad_proto::{
    id::{Id, PublicKey, RecordId},
    link::Message,
    namespace::Overlay,
};

use crate::{
    disk::SimDisk, host::Node, indexer::IndexDisk, peer::Machine, publisher::Publication,
    story::Request,
};

use acknowledged::Acknowledged;
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

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant saw it.
    pub invariant: &'static str,
    /// Where the promise is made.
    pub source: &'static str,
    /// What was seen.
    pub what: String,
    /// When, in virtual milliseconds.
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

/// Whether a promise is kept.
pub type Verdict = Result<(), Violation>;

/// Says that a promise is broken unless it is kept.
pub(crate) fn check(
    is_kept: bool,
    invariant: &'static str,
    source: &'static str,
    what: impl FnOnce() -> String,
) -> Verdict {
    if is_kept {
        Ok(())
    } else {
        Err(Violation::new(invariant, source, what()))
    }
}

/// The memory of everything that was ever seen.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    blocks: Blocks,
    pub(crate) acknowledged: Acknowledged,
    known: Known,
    lookups: Lookups,
    pub(crate) merged: Merged,
    indexed: Indexed,
    /// When a confirmation came last: to whom, from whom, of which transaction.
    heard: BTreeMap<(PublicKey, PublicKey, Id), u64>,
    /// How often the body of a transaction was sent to a machine: pushed, and fetched.
    pub(crate) pushed: BTreeMap<(PublicKey, Id), usize>,
    pub(crate) fetched: BTreeMap<(PublicKey, Id), usize>,
}

impl Invariants {
    /// A client is going to say something.
    pub(crate) fn says(&mut self, said: &Publication) {
        self.known.says(&said.submission.transaction);
    }

    /// A peer is about to commit.
    pub(crate) fn commits(&mut self, machine: &Machine, writes: &[Write]) -> Verdict {
        let owner = machine.key();
        self.known.commits(writes)?;
        linked::commits(machine.disk.sound(), writes)?;
        explained::commits(machine.disk.sound(), writes)?;
        explained::brings(machine.disk.sound(), writes)?;
        self.blocks.commits(owner, writes)
    }

    /// A peer is about to send a message; `is_early` before its commit.
    pub(crate) fn sends(&self, from: PublicKey, message: &Message, is_early: bool) -> Verdict {
        early::sends(message, is_early)?;
        self.blocks.sends(from, message)
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

    /// A peer is handed a message.
    pub(crate) fn hears(&mut self, to: PublicKey, from: PublicKey, message: &Message, now_us: u64) {
        if let Message::PushResult(result) = message
            && result.outcome.is_ok()
        {
            self.heard.insert((to, from, result.id), now_us);
        }
    }

    /// A client is told by a coordinator that its transaction is safe.
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
            let heard = self.heard.get(&(coordinator, from, request.said.id()));
            heard.copied()
        };
        acknowledged::is_on_disks(machines, request, heard, needed)?;
        let quorum = machines[0].view.replication().quorum();
        let said = &request.said.submission.transaction;
        if let Some(receipt) = &submitted.receipt {
            receipts::proves(receipt, said, quorum, &*machines[0].verifier)?;
        }
        self.acknowledged.add(said, now_us);
        Ok(())
    }

    /// A peer says that it is settled.
    pub(crate) fn settles(&self, machine: &Machine, started_us: u64) -> Verdict {
        settled::settles(&self.acknowledged, machine, started_us)
    }

    /// A peer's disk lost something: what it had that matters is somewhere else.
    pub(crate) fn survives(&self, machines: &[Machine], lost: usize) -> Verdict {
        self.acknowledged.survives(machines, lost)
    }

    /// A replica answers.
    pub(crate) fn shows(
        &mut self,
        from: Node,
        canonical: RecordId,
        set: Option<&[RecordId]>,
    ) -> Verdict {
        self.lookups.shows(from, canonical, set)
    }

    /// What somebody showed may be gone.
    pub(crate) fn forget_reads(&mut self, node: Node) {
        self.lookups.forget(node);
    }

    /// A reader has enough answers.
    pub(crate) fn looks(&self, canonical: RecordId, answer: &Answer, began_us: u64) -> Verdict {
        looked::looks(&self.acknowledged, canonical, answer, began_us)
    }

    /// The aggregator is about to commit.
    pub(crate) fn merges(
        &mut self,
        disk: &SimDisk,
        writes: &[Write],
        overlay: &Overlay,
    ) -> Verdict {
        self.known.commits(writes)?;
        linked::commits(disk.sound(), writes)?;
        explained::commits(disk.sound(), writes)?;
        self.merged.commits(writes);
        let _ = overlay;
        let owner = writes.iter().find_map(|write| match write {
            Write::Block(stored) => Some(stored.block.header.peer),
            _ => None,
        });
        owner.map_or(Ok(()), |owner| self.blocks.commits(owner, writes))
    }

    /// The aggregator's disk is empty.
    pub(crate) fn merged_anew(&mut self) {
        self.lookups.forget(Node::Aggregator);
    }

    /// The indexer is about to commit.
    pub(crate) fn indexes(&mut self, disk: &IndexDisk, commit: &Commit) -> Verdict {
        self.indexed.commits(disk, commit, &self.merged)
    }

    /// The index is empty.
    pub(crate) fn indexed_anew(&mut self) {
        self.indexed = Indexed::default();
    }
}
