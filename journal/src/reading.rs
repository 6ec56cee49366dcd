//! A reader's place in a journal across subscriptions: the cursor of the next subscription, and the check of the next
//! block.

use kittengrad_proto::{
    block::{Block, Head, Header, Holds, Item},
    cursor::Cursor,
    id::PublicKey,
    signed::Verifier,
};

use crate::follower::{FollowError, Follower, Step};

/// The start of reading a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first block that the owner has.
    Genesis,
    /// After a block whose hash is not known, for example a start that the owner proposed.
    At(Cursor),
    /// After a block that was read before.
    After {
        /// The block.
        head: Head,
        /// Its time, in Unix milliseconds.
        time_ms: u64,
        /// The arcs that the owner held after it, if they are known. Until they are, items are not checked against them.
        holds: Option<Holds>,
    },
}

impl ReadFrom {
    /// Whether a journal that begins at `start` continues from here. It may skip blocks, but must not go back.
    #[must_use]
    pub fn is_before(&self, start: Cursor) -> bool {
        let read = match self {
            Self::Genesis => return true,
            Self::At(cursor) => (cursor.incarnation, cursor.height),
            Self::After { head, .. } => (head.incarnation, Some(head.height)),
        };
        read < (start.incarnation, start.height)
    }
}

/// The known facts about the block before the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Anchor {
    /// None: the next block is the first one that the owner has.
    Genesis,
    /// Its place, but not its hash. The hash is taken from the next block, whose owner signed it too.
    Place(Cursor),
    /// Its place and its hash.
    Known(Follower),
}

/// A reader's place in one journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    source: PublicKey,
    anchor: Anchor,
}

/// A block that continues a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// The reader's place after the block. The caller takes it over once it has checked the rest of the block.
    pub reading: Reading,
    /// How the block continues the journal. For [`Step::Known`] the place is unchanged.
    pub step: Step,
    /// The arcs that the owner holds from the block on, to which its `cells` refer. `None` if the reader began in the
    /// middle and met no `hold` yet.
    pub holds: Option<Holds>,
    /// Whether this is the first block since [`ReadFrom::Genesis`].
    pub is_first: bool,
}

impl Reading {
    /// Makes a reader of the journal of `source` that begins at `start`.
    #[must_use]
    pub fn new(source: PublicKey, start: ReadFrom) -> Self {
        let anchor = match start {
            ReadFrom::Genesis => Anchor::Genesis,
            ReadFrom::At(cursor) => match cursor.height {
                None => Anchor::Known(Follower::new(source, cursor.incarnation)),
                Some(_) => Anchor::Place(cursor),
            },
            ReadFrom::After {
                head,
                time_ms,
                holds,
            } => Anchor::Known(Follower::after(source, head, time_ms).holding(holds)),
        };
        Self { source, anchor }
    }

    /// The owner of the journal.
    #[must_use]
    pub const fn source(&self) -> PublicKey {
        self.source
    }

    /// The block after which a subscription begins. `None` to begin at the first block that the owner has.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        match &self.anchor {
            Anchor::Genesis => None,
            Anchor::Place(cursor) => Some(*cursor),
            Anchor::Known(follower) => Some(follower.cursor()),
        }
    }

    /// Checks the next block, its link to the one before, and its `items` against the arcs that the owner holds. The
    /// caller decoded the items from the block.
    ///
    /// # Errors
    /// If the block does not continue the journal.
    pub fn next(
        &self,
        block: &Block,
        items: &[Item],
        verifier: &dyn Verifier,
    ) -> Result<Continued, FollowError> {
        let header = &block.header;
        let mut follower = match &self.anchor {
            Anchor::Known(follower) => follower.clone(),
            Anchor::Place(cursor) => follower_after(self.source, *cursor, header),
            Anchor::Genesis => follower_before(self.source, header),
        };
        let (step, holds) = follower.accept_decoded(block, items, verifier)?;
        let anchor = match step {
            Step::Known => self.anchor.clone(),
            _ => Anchor::Known(follower),
        };
        Ok(Continued {
            reading: Self { anchor, ..*self },
            step,
            holds,
            is_first: self.anchor == Anchor::Genesis,
        })
    }

    /// The follower that refused a block or a heartbeat, if it knows the block before.
    #[must_use]
    pub const fn follower(&self) -> Option<&Follower> {
        match &self.anchor {
            Anchor::Known(follower) => Some(follower),
            Anchor::Genesis | Anchor::Place(_) => None,
        }
    }

    /// Compares a head that the owner signed with the last block read.
    ///
    /// # Errors
    /// [`FollowError::Equivocation`] if they are different blocks at the same place.
    pub fn agrees(&self, head: &Head) -> Result<(), FollowError> {
        let Anchor::Known(follower) = &self.anchor else {
            return Ok(());
        };
        match follower.head() {
            Some(last)
                if (last.incarnation, last.height) == (head.incarnation, head.height)
                    && last.hash != head.hash =>
            {
                Err(FollowError::Equivocation {
                    incarnation: head.incarnation,
                    height: head.height,
                    known: last.hash,
                    found: head.hash,
                })
            }
            _ => Ok(()),
        }
    }
}

/// Makes a follower at `cursor` that takes the hash of its last block from `header`.
fn follower_after(source: PublicKey, cursor: Cursor, header: &Header) -> Follower {
    let Some(height) = cursor.height else {
        return Follower::new(source, cursor.incarnation);
    };
    // The block at the cursor itself was read, although its hash is not known.
    let is_last = (header.incarnation, header.height) == (cursor.incarnation, height);
    let hash = if is_last {
        header.hash()
    } else {
        header.previous
    };
    let head = Head {
        incarnation: cursor.incarnation,
        height,
        hash,
    };
    Follower::after(source, head, 0)
}

/// Makes a follower whose next block is `header`, the first block that the owner has.
fn follower_before(source: PublicKey, header: &Header) -> Follower {
    let incarnation = header.incarnation;
    let Some(height) = header.height.checked_sub(1) else {
        return Follower::new(source, incarnation);
    };
    let head = Head {
        incarnation,
        height,
        hash: header.previous,
    };
    Follower::after(source, head, 0)
}
