//! Following another owner's journal, with checks of every link, signature and time, and of every item against the arcs
//! that the owner holds. Rfd 4 describes how a follower crosses over to a new incarnation.

use kittengrad_proto::{
    block::{Block, BlockError, Head, Header, Holds, Item},
    checkpoint::{Checkpoint, CheckpointError},
    cursor::Cursor,
    id::{Id, PublicKey},
    receipt::ItemProof,
    signed::Verifier,
};
use thiserror::Error;

use crate::exhibits::Exhibits;

/// Why a block does not continue a journal. The follower is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FollowError {
    /// The block itself is wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// It belongs to another journal.
    #[error("block {height} is of the journal of {found:?}; expected the journal of {expected:?}")]
    OtherJournal {
        /// Height of the block.
        height: u64,
        /// The owner of the journal followed.
        expected: PublicKey,
        /// The owner of the block.
        found: PublicKey,
    },
    /// Blocks before it are missing.
    #[error("block {found} arrived; block {expected} of incarnation {incarnation} is next")]
    Skipped {
        /// The incarnation followed.
        incarnation: u64,
        /// The next height.
        expected: u64,
        /// The height of the block.
        found: u64,
    },
    /// It does not link to the block before.
    #[error("block {height} links to {previous:?}; the block before it is {expected:?}")]
    Link {
        /// Height of the block.
        height: u64,
        /// The hash in its link.
        previous: Id,
        /// The hash of the block before.
        expected: Id,
    },
    /// It is older than the block before.
    #[error("block {height} is {back_ms} ms older than the block before it")]
    TimeWentBack {
        /// Height of the block.
        height: u64,
        /// The difference in milliseconds.
        back_ms: u64,
    },
    /// Its checkpoint contradicts the journal: evidence against the journal's owner.
    #[error("block {height}: {error}")]
    Checkpoint {
        /// Height of the block.
        height: u64,
        /// The rule that the checkpoint breaks.
        error: CheckpointError,
    },
    /// Two different blocks for one height: evidence against the journal's owner.
    #[error("two blocks at height {height} of incarnation {incarnation}: {known:?} and {found:?}")]
    Equivocation {
        /// The incarnation.
        incarnation: u64,
        /// The height.
        height: u64,
        /// The hash of the block accepted before.
        known: Id,
        /// The hash of the other block.
        found: Id,
    },
}

/// How an accepted block continues the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next block: process it.
    Next,
    /// The first block of a newer incarnation: process it.
    Began,
    /// Processed before: ignore it.
    Known,
}

/// An accepted block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// How the block continues the journal.
    pub step: Step,
    /// The items of the block; none for [`Step::Known`].
    pub items: Vec<Item>,
    /// The arcs that the owner holds from the block on, to which its `cells` refer. `None` if they are not known; see
    /// [`Follower::holds`].
    pub holds: Option<Holds>,
}

/// A follower of one journal: its position, the hash and time of its last block, and the arcs that the owner holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    journal: PublicKey,
    incarnation: u64,
    last: Option<(u64, Id, u64)>,
    holds: Option<Holds>,
    /// Height of the block with the last `hold`.
    hold_height: Option<u64>,
    /// Height in the last checkpoint of this incarnation that was met in a header.
    checkpoint: Option<u64>,
    exhibits: Exhibits,
}

impl Follower {
    /// Follows `journal` from the first block of `incarnation` on.
    #[must_use]
    pub const fn new(journal: PublicKey, incarnation: u64) -> Self {
        Self {
            journal,
            incarnation,
            last: None,
            holds: None,
            hold_height: None,
            checkpoint: None,
            exhibits: Exhibits::NONE,
        }
    }

    /// Follows `journal` from the block after `head` on. `time_ms` is the time of the block of `head`.
    #[must_use]
    pub const fn after(journal: PublicKey, head: Head, time_ms: u64) -> Self {
        Self {
            journal,
            incarnation: head.incarnation,
            last: Some((head.height, head.hash, time_ms)),
            holds: None,
            hold_height: None,
            checkpoint: None,
            exhibits: Exhibits::NONE,
        }
    }

    /// The same follower with the arcs that the owner held after the last block, as far as they are known.
    #[must_use]
    pub fn holding(self, holds: Option<Holds>) -> Self {
        Self { holds, ..self }
    }

    /// The same follower with the height of the block of that `hold`, if it is known. Until it is, the next header tells
    /// it.
    #[must_use]
    pub const fn holding_since(mut self, hold_height: Option<u64>) -> Self {
        self.hold_height = hold_height;
        self
    }

    /// The same follower with the proof of that `hold`, with which it can accuse the owner of wrong items.
    #[must_use]
    pub fn showing(mut self, hold: Option<ItemProof>) -> Self {
        self.exhibits.show_hold(hold);
        self
    }

    /// The same position without the last headers, which may have 32 KiB each. It can accuse the owner of less.
    #[must_use]
    pub fn stripped(mut self) -> Self {
        self.exhibits.strip();
        self
    }

    /// The proof of the last `hold`, if it is here.
    #[must_use]
    pub fn hold_proof(&self) -> Option<&ItemProof> {
        self.exhibits.hold()
    }

    /// The signed parts of the journal so far.
    pub(crate) const fn exhibits(&self) -> &Exhibits {
        &self.exhibits
    }

    /// Height of the block with the last `hold`, in the incarnation followed. `None` if it is not known yet.
    #[must_use]
    pub const fn hold_height(&self) -> Option<u64> {
        self.hold_height
    }

    /// The arcs that the owner holds after the last block accepted. `None` before the first block, and for a follower
    /// that began in the middle until it meets a `hold`: it cannot check items before.
    #[must_use]
    pub const fn holds(&self) -> Option<&Holds> {
        self.holds.as_ref()
    }

    /// The last block accepted, as a cursor.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            journal: self.journal,
            incarnation: self.incarnation,
            height: self.last.map(|(height, ..)| height),
        }
    }

    /// The last block accepted.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        let (height, hash, _) = self.last?;
        Some(Head {
            incarnation: self.incarnation,
            height,
            hash,
        })
    }

    /// Time of the last block accepted, in Unix milliseconds. 0 before the first.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.last.map_or(0, |(_, _, time_ms)| time_ms)
    }

    /// The height of the next block in this incarnation.
    #[must_use]
    pub fn next_height(&self) -> u64 {
        self.last.map_or(0, |(height, ..)| height.saturating_add(1))
    }

    /// Whether a block with this header is next, by its place alone. It has the next height, or is the first block of a
    /// newer incarnation whose fork was accepted already. So no block is skipped that the owner still has.
    #[must_use]
    pub fn is_next(&self, header: &Header) -> bool {
        if header.incarnation == self.incarnation {
            return header.height == self.next_height();
        }
        self.is_begun_by(header)
    }

    fn is_begun_by(&self, header: &Header) -> bool {
        let has_read = |fork: Head| match self.last {
            Some((height, ..)) => (fork.incarnation, fork.height) <= (self.incarnation, height),
            None => fork.incarnation < self.incarnation,
        };
        header.incarnation > self.incarnation
            && header.height == 0
            && header.fork.is_none_or(has_read)
    }

    /// Checks a block's link, time, signature and items, and moves to it if it is next.
    ///
    /// # Errors
    /// If it does not continue the journal. The follower is then unchanged.
    pub fn accept(
        &mut self,
        block: &Block,
        verifier: &dyn Verifier,
    ) -> Result<Accepted, FollowError> {
        let (step, items) = match self.place(block, verifier)? {
            Step::Known => (Step::Known, Vec::new()),
            step => (step, block.decode_items()?),
        };
        let holds = self.take(block, step, &items)?;
        Ok(Accepted { step, items, holds })
    }

    /// Like [`Follower::accept`], for a caller that decoded the items of the block. Returns how the block continues the
    /// journal, and the arcs that the owner holds from the block on.
    ///
    /// # Errors
    /// If it does not continue the journal. The follower is then unchanged.
    pub fn accept_decoded(
        &mut self,
        block: &Block,
        items: &[Item],
        verifier: &dyn Verifier,
    ) -> Result<(Step, Option<Holds>), FollowError> {
        let step = self.place(block, verifier)?;
        Ok((step, self.take(block, step, items)?))
    }

    /// Checks the items of a block in its place, and moves to it.
    fn take(
        &mut self,
        block: &Block,
        step: Step,
        items: &[Item],
    ) -> Result<Option<Holds>, FollowError> {
        if step == Step::Known {
            return Ok(self.holds.clone());
        }
        let header = &block.header;
        let holds = block.check_items(items, self.holds.as_ref())?;
        let (height, named) = (header.height, header.hold);
        let is_same = self.hold_height.is_none_or(|before| before == named);
        // The first block of an incarnation has a hold of its own.
        if named != height && !is_same {
            return Err(BlockError::HoldHeight { height, named }.into());
        }
        self.checkpoint = match &header.checkpoint {
            Some(checkpoint) => Some(self.check(header.height, checkpoint)?),
            None => self.checkpoint.filter(|_| step == Step::Next),
        };
        self.incarnation = header.incarnation;
        self.last = Some((header.height, header.hash(), header.time_ms));
        self.holds.clone_from(&holds);
        self.hold_height = Some(named);
        self.exhibits.take(block, step == Step::Began);
        Ok(holds)
    }

    /// Compares the checkpoint of the next block, at `height`, with the journal so far. Returns its height.
    fn check(&self, height: u64, checkpoint: &Checkpoint) -> Result<u64, FollowError> {
        let at = checkpoint.height;
        let fault = |error| FollowError::Checkpoint { height, error };
        if let Some(before) = self.checkpoint.filter(|before| at < *before) {
            return Err(fault(CheckpointError::WentBack { height: at, before }));
        }
        let held = self
            .holds
            .as_ref()
            .filter(|_| height.checked_sub(1) == Some(at));
        match held.is_none_or(|held| held.ranges() == checkpoint.holds.held()) {
            true => Ok(at),
            false => Err(fault(CheckpointError::OtherArcs(at))),
        }
    }

    /// Checks a block's link, time and signature.
    fn place(&self, block: &Block, verifier: &dyn Verifier) -> Result<Step, FollowError> {
        let header = &block.header;
        let height = header.height;
        if header.peer != self.journal {
            let (expected, found) = (self.journal, header.peer);
            return Err(FollowError::OtherJournal {
                height,
                expected,
                found,
            });
        }
        let begins = self.is_begun_by(header);
        if header.incarnation < self.incarnation
            || header.incarnation == self.incarnation && height < self.next_height()
        {
            block.verify(verifier)?;
            return self.known(block);
        }
        if !self.is_next(header) {
            let (incarnation, expected) = (self.incarnation, self.next_height());
            return Err(FollowError::Skipped {
                incarnation,
                expected,
                found: height,
            });
        }
        let expected = self
            .last
            .filter(|_| !begins)
            .map_or(Id::ZERO, |(_, hash, _)| hash);
        if header.previous != expected {
            return Err(FollowError::Link {
                height,
                previous: header.previous,
                expected,
            });
        }
        let before_ms = if begins { 0 } else { self.time_ms() };
        if header.time_ms < before_ms {
            return Err(FollowError::TimeWentBack {
                height,
                back_ms: before_ms - header.time_ms,
            });
        }
        block.verify(verifier)?;
        Ok(if begins { Step::Began } else { Step::Next })
    }

    /// Checks a block at or before the last one accepted. Only the hash of the last one is known, so only a different
    /// block at its height is found.
    fn known(&self, block: &Block) -> Result<Step, FollowError> {
        match self.last {
            Some((height, known, _))
                if height == block.header.height
                    && self.incarnation == block.header.incarnation
                    && known != block.header.hash() =>
            {
                let (incarnation, found) = (self.incarnation, block.header.hash());
                Err(FollowError::Equivocation {
                    incarnation,
                    height,
                    known,
                    found,
                })
            }
            _ => Ok(Step::Known),
        }
    }
}
