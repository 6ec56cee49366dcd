//! Following somebody else's journal: every link, signature and time is checked. Rfd 4 says how a follower crosses over
//! to a new incarnation.

use kittengrad_proto::{
    block::{Block, BlockError, Head, Header},
    cursor::Cursor,
    id::{Id, PublicKey},
    signed::Verifier,
};
use thiserror::Error;

/// Why a block does not continue a journal. The follower stays where it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FollowError {
    /// The block itself is wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// It belongs to another journal.
    #[error("block {height} is of the journal of {found:?}, {expected:?} is followed")]
    OtherJournal {
        /// Height of the block.
        height: u64,
        /// Whose journal is followed.
        expected: PublicKey,
        /// Whose block came.
        found: PublicKey,
    },
    /// Blocks are missing before it.
    #[error("block {found} came, block {expected} of incarnation {incarnation} is next")]
    Skipped {
        /// The incarnation followed.
        incarnation: u64,
        /// The height that is next.
        expected: u64,
        /// The height that came.
        found: u64,
    },
    /// It does not link to the block before.
    #[error("block {height} links to {previous:?}, block before it is {expected:?}")]
    Link {
        /// Height of the block.
        height: u64,
        /// The hash that it names.
        previous: Id,
        /// The hash of the block before.
        expected: Id,
    },
    /// Its time is before that of the block before.
    #[error("block {height} is {back_ms} ms older than the block before it")]
    TimeWentBack {
        /// Height of the block.
        height: u64,
        /// By how much, in milliseconds.
        back_ms: u64,
    },
    /// Two different blocks for one height: evidence against the journal's owner.
    #[error("two blocks at height {height} of incarnation {incarnation}: {known:?} and {found:?}")]
    Equivocation {
        /// The incarnation.
        incarnation: u64,
        /// The height.
        height: u64,
        /// The block that was accepted before.
        known: Id,
        /// The block that came now.
        found: Id,
    },
}

/// What a block is to its follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next link: process it.
    Next,
    /// The first block of a newer incarnation: process it.
    Began,
    /// Processed before.
    Known,
}

/// Where a follower of one journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follower {
    journal: PublicKey,
    incarnation: u64,
    last: Option<(u64, Id, u64)>,
}

impl Follower {
    /// Follows `journal` from the first block of `incarnation` on.
    #[must_use]
    pub const fn new(journal: PublicKey, incarnation: u64) -> Self {
        Self {
            journal,
            incarnation,
            last: None,
        }
    }

    /// Goes on after `head`, whose block had the time `time_ms`.
    #[must_use]
    pub const fn after(journal: PublicKey, head: Head, time_ms: u64) -> Self {
        Self {
            journal,
            incarnation: head.incarnation,
            last: Some((head.height, head.hash, time_ms)),
        }
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

    /// Time of the last block accepted, in Unix milliseconds; 0 before the first.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.last.map_or(0, |(_, _, time_ms)| time_ms)
    }

    /// The height of the block that comes next.
    #[must_use]
    pub fn next_height(&self) -> u64 {
        self.last.map_or(0, |(height, ..)| height.saturating_add(1))
    }

    /// Whether a block with this header is next, by its place alone: the next height, or the first block of a newer
    /// incarnation once everything up to the head that it forked from was accepted. What the journal's owner still has
    /// is never passed over.
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

    /// Checks a block's link and signature, and moves on if it is next.
    ///
    /// # Errors
    /// If it does not continue the journal; the follower stays where it was.
    pub fn accept(&mut self, block: &Block, verifier: &dyn Verifier) -> Result<Step, FollowError> {
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
        self.incarnation = header.incarnation;
        self.last = Some((height, header.hash(), header.time_ms));
        Ok(if begins { Step::Began } else { Step::Next })
    }

    /// A block at or below the last one accepted; only the last one's hash is at hand.
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
