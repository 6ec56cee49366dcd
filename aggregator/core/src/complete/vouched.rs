//! What sources say that their sets contain of other journals.

use std::collections::VecDeque;

use kittengrad_journal::Follower;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::Head,
    checkpoint::{Checkpoint, Through, ThroughList},
    id::PublicKey,
};
use kittengrad_ring::KeyRange;

/// Checkpoints of one source that wait until our set contains the block that they describe, at most.
const WAITING_MAX: usize = 4;

/// A checkpoint of a source with its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    incarnation: u64,
    checkpoint: Checkpoint,
    through: ThroughList,
}

impl Vouched {
    pub(crate) fn new(incarnation: u64, checkpoint: &Checkpoint, through: &ThroughList) -> Self {
        Self {
            incarnation,
            checkpoint: checkpoint.clone(),
            through: through.clone(),
        }
    }

    const fn place(&self) -> (u64, u64) {
        (self.incarnation, self.checkpoint.height)
    }

    /// The block of the journal of `member` up to which this source contains everything in `cell`.
    pub(crate) fn in_cell(
        &self,
        member: &PublicKey,
        cell: KeyRange,
        plants: Plants,
    ) -> Option<&Through> {
        let is_settled = self.checkpoint.holds.settled().covers(cell);
        let through = self.through.get(member);
        through.filter(|through| {
            through.speaks_for(cell) && (is_settled || plants.has(Plant::FillingVouches))
        })
    }
}

/// Whether a position reaches a head: a later block of the same incarnation, or the same block.
pub(crate) fn reaches(through: Head, head: Head, plants: Plants) -> bool {
    let is_same = through.hash == head.hash || plants.has(Plant::ThroughWithoutHash);
    through.incarnation == head.incarnation
        && (through.height > head.height || through.height == head.height && is_same)
}

/// The checkpoints of one source.
#[derive(Debug, Default)]
pub(crate) struct Vouches {
    /// The newest one whose block our set on disk contains.
    contained: Option<Vouched>,
    /// Newer ones, oldest first.
    waiting: VecDeque<Vouched>,
}

impl Vouches {
    /// Adds a checkpoint. One of an earlier block than the last one is ignored: an answer to a question may come after a
    /// later block. If too many wait, the oldest stays, so that one is reached in the end, and the newest. Those of
    /// an earlier incarnation are forgotten, because its blocks after the fork never arrive.
    pub(crate) fn add(&mut self, vouched: Vouched, durable: Option<&Follower>, plants: Plants) {
        let is_newer = |last: &Vouched| last.place() <= vouched.place();
        let last = self.waiting.back().or(self.contained.as_ref());
        if !last.is_none_or(is_newer) {
            return;
        }
        self.waiting
            .retain(|of| of.incarnation >= vouched.incarnation);
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.remove(1);
        }
        self.waiting.push_back(vouched);
        self.advance(durable, plants);
    }

    /// Notes the last block of the source that our set on disk contains.
    pub(crate) fn advance(&mut self, durable: Option<&Follower>, plants: Plants) {
        let durable = durable.and_then(Follower::head).map(|head| head.place());
        let is_contained = |vouched: &mut Vouched| {
            let (incarnation, height) = vouched.place();
            durable.is_some_and(|durable| incarnation == durable.0 && height <= durable.1)
                || plants.has(Plant::VouchedBeforeRead)
        };
        while let Some(vouched) = self.waiting.pop_front_if(|vouched| is_contained(vouched)) {
            self.contained = Some(vouched);
        }
    }

    /// Forgets what waits: the journal is read again from an earlier block.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The newest checkpoint whose block our set on disk contains.
    pub(crate) const fn contained(&self) -> Option<&Vouched> {
        self.contained.as_ref()
    }
}
