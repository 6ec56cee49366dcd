//! A reader's place in a journal across subscriptions: where to ask its owner to begin, and which block comes next.

use kittengrad_proto::{
    block::{Block, Head, Header},
    cursor::Cursor,
    id::PublicKey,
    signed::Verifier,
};

use crate::follower::{FollowError, Follower, Step};

/// Where reading a journal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first block that the owner has.
    Genesis,
    /// After a block of which only the place is known, for example because the owner said that it begins there.
    At(Cursor),
    /// After a block that was read.
    After {
        /// The block.
        head: Head,
        /// Its time, in Unix milliseconds.
        time_ms: u64,
    },
}

impl ReadFrom {
    /// Whether a journal that begins at `start` goes on from here: it may skip blocks, but does not go back.
    #[must_use]
    pub fn is_before(self, start: Cursor) -> bool {
        let read = match self {
            Self::Genesis => return true,
            Self::At(cursor) => (cursor.incarnation, cursor.height),
            Self::After { head, .. } => (head.incarnation, Some(head.height)),
        };
        read < (start.incarnation, start.height)
    }
}

/// What is known of the block before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// Nothing: the journal's first block is awaited, whichever that is.
    Genesis,
    /// Its place, but not its hash. The next block's own link is taken for the hash, which its owner signed too.
    Place(Cursor),
    /// Its place and its hash.
    Known(Follower),
}

/// A reader's place in one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    source: PublicKey,
    anchor: Anchor,
}

/// A block that continues a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continued {
    /// The place after the block: the reader's new one, as soon as the rest of the block is found right.
    pub reading: Reading,
    /// How the block continues the journal; for [`Step::Known`] the place is as it was.
    pub step: Step,
    /// Nothing was known of the journal before this block.
    pub is_first: bool,
}

impl Reading {
    /// A reader that begins at a place.
    #[must_use]
    pub const fn new(source: PublicKey, start: ReadFrom) -> Self {
        let anchor = match start {
            ReadFrom::Genesis => Anchor::Genesis,
            ReadFrom::At(cursor) => match cursor.height {
                None => Anchor::Known(Follower::new(source, cursor.incarnation)),
                Some(_) => Anchor::Place(cursor),
            },
            ReadFrom::After { head, time_ms } => {
                Anchor::Known(Follower::after(source, head, time_ms))
            }
        };
        Self { source, anchor }
    }

    /// Whose journal it is.
    #[must_use]
    pub const fn source(&self) -> PublicKey {
        self.source
    }

    /// After which block to ask the owner to begin; `None` for the first one that it has.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        match self.anchor {
            Anchor::Genesis => None,
            Anchor::Place(cursor) => Some(cursor),
            Anchor::Known(follower) => Some(follower.cursor()),
        }
    }

    /// Checks the next block and its link to the one before.
    ///
    /// # Errors
    /// If the block does not continue the journal.
    pub fn next(&self, block: &Block, verifier: &dyn Verifier) -> Result<Continued, FollowError> {
        let header = &block.header;
        let mut follower = match self.anchor {
            Anchor::Known(follower) => follower,
            Anchor::Place(cursor) => follower_after(self.source, cursor, header),
            Anchor::Genesis => follower_before(self.source, header),
        };
        let step = follower.accept(block, verifier)?;
        let anchor = match step {
            Step::Known => self.anchor,
            _ => Anchor::Known(follower),
        };
        Ok(Continued {
            reading: Self { anchor, ..*self },
            step,
            is_first: self.anchor == Anchor::Genesis,
        })
    }

    /// Checks a head that the owner signed against the last block.
    ///
    /// # Errors
    /// [`FollowError::Equivocation`] if they are different blocks of one place.
    pub fn agrees(&self, head: &Head) -> Result<(), FollowError> {
        let Anchor::Known(follower) = self.anchor else {
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

/// A follower for which `header` is the block after `cursor`, if it is at that place.
fn follower_after(source: PublicKey, cursor: Cursor, header: &Header) -> Follower {
    let Some(height) = cursor.height else {
        return Follower::new(source, cursor.incarnation);
    };
    let head = Head {
        incarnation: cursor.incarnation,
        height,
        hash: header.previous,
    };
    Follower::after(source, head, 0)
}

/// A follower for which `header` is the first block that the owner still has.
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
