//! Reading a journal across subscriptions: what comes next, and what is refused. As the SDK's reader does it.

use kittengrad_journal::{FollowError, Follower, Step, place::Beginning};
use kittengrad_proto::{
    block::{Block, Head, Header},
    cursor::Cursor,
    id::PublicKey,
    identity::Heartbeat,
    signed::Verifier,
};

use super::ShownBlock;

/// What is known of the block before the next one.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    /// Nothing: the journal's first block is awaited, whichever that is.
    Genesis,
    /// Its place, but not its hash.
    Place(Cursor),
    /// All of it.
    Known(Follower),
}

/// A reader of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    source: PublicKey,
    anchor: Anchor,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// It is the next one.
    On,
    /// It was there before.
    Known,
}

/// What does not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A block does not continue the journal.
    Follow(FollowError),
    /// A transaction is forged.
    Transaction,
    /// A heartbeat contradicts a block.
    Heartbeat,
}

impl Reader {
    /// Begins at the first block there is.
    pub(crate) const fn genesis(source: PublicKey) -> Self {
        let anchor = Anchor::Genesis;
        Self { source, anchor }
    }

    /// Goes on after a block of which only the place is known.
    pub(crate) const fn at(source: PublicKey, cursor: Cursor) -> Self {
        let anchor = match cursor.height {
            None => Anchor::Known(Follower::new(source, cursor.incarnation)),
            Some(_) => Anchor::Place(cursor),
        };
        Self { source, anchor }
    }

    /// Goes on after a block.
    pub(crate) const fn after(source: PublicKey, head: Head, time_ms: u64) -> Self {
        let anchor = Anchor::Known(Follower::after(source, head, time_ms));
        Self { source, anchor }
    }

    /// Whether a journal that begins at `start` goes on from what was read, and passes over nothing.
    pub(crate) fn is_before(&self, start: Cursor) -> bool {
        let read = match self.anchor {
            Anchor::Genesis => return true,
            Anchor::Place(cursor) => cursor,
            Anchor::Known(follower) => follower.cursor(),
        };
        (read.incarnation, read.height) < (start.incarnation, start.height)
    }

    /// Where to ask the source to begin.
    pub(crate) fn from(&self) -> Beginning {
        match self.anchor {
            Anchor::Genesis => Beginning::Genesis,
            Anchor::Place(cursor) => Beginning::Cursor(cursor),
            Anchor::Known(follower) => Beginning::Cursor(follower.cursor()),
        }
    }

    /// Takes the next block.
    pub(crate) fn accept(
        &mut self,
        shown: &ShownBlock,
        verifier: &dyn Verifier,
    ) -> Result<Went, Fault> {
        let block: &Block = &shown.stored.block;
        let mut follower = match self.anchor {
            Anchor::Known(follower) => follower,
            Anchor::Place(cursor) => follower_after(self.source, cursor, &block.header),
            Anchor::Genesis => follower_before(self.source, &block.header),
        };
        let step = follower.accept(block, verifier).map_err(Fault::Follow)?;
        if step == Step::Known {
            return Ok(Went::Known);
        }
        for entry in &shown.entries {
            entry
                .transaction
                .verify(verifier)
                .map_err(|_| Fault::Transaction)?;
        }
        self.anchor = Anchor::Known(follower);
        Ok(Went::On)
    }

    /// Takes a heartbeat.
    pub(crate) fn heartbeat(
        &self,
        heartbeat: &Heartbeat,
        verifier: &dyn Verifier,
    ) -> Result<(), Fault> {
        if heartbeat.peer != self.source || heartbeat.verify(verifier).is_err() {
            return Err(Fault::Heartbeat);
        }
        let Anchor::Known(follower) = self.anchor else {
            return Ok(());
        };
        let head = heartbeat.head;
        match follower.head() {
            Some(last)
                if (last.incarnation, last.height) == (head.incarnation, head.height)
                    && last.hash != head.hash =>
            {
                Err(Fault::Heartbeat)
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
    let (incarnation, hash) = (cursor.incarnation, header.previous);
    let head = Head {
        incarnation,
        height,
        hash,
    };
    Follower::after(source, head, 0)
}

/// A follower for which `header` is the first block that the source still has.
fn follower_before(source: PublicKey, header: &Header) -> Follower {
    let incarnation = header.incarnation;
    let Some(height) = header.height.checked_sub(1) else {
        return Follower::new(source, incarnation);
    };
    let hash = header.previous;
    let head = Head {
        incarnation,
        height,
        hash,
    };
    Follower::after(source, head, 0)
}
