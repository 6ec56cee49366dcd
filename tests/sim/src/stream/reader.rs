//! Reads a journal across subscriptions and verifies it. The place in the journal is kept by the same [`Reading`] as in
//! the SDK.

use kittengrad_journal::{FollowError, ReadFrom, Reading, Step, place::Beginning};
use kittengrad_proto::{
    block::Block, evidence::Evidence, id::PublicKey, identity::Heartbeat, signed::Verifier,
};

use super::StreamBlock;

/// A reader of one journal.
#[derive(Debug, Clone)]
pub(crate) struct Reader(Reading);

/// The outcome of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// The next block of the journal.
    On,
    /// A block that was read before.
    Known,
}

/// A frame that does not verify.
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
    /// A reader that starts at a place.
    pub(crate) fn new(source: PublicKey, start: ReadFrom) -> Self {
        Self(Reading::new(source, start))
    }

    /// The place at which the source should start.
    pub(crate) fn from(&self) -> Beginning {
        self.0
            .cursor()
            .map_or(Beginning::Genesis, Beginning::Cursor)
    }

    /// Takes the next block.
    pub(crate) fn accept(
        &mut self,
        shown: &StreamBlock,
        verifier: &dyn Verifier,
    ) -> Result<Went, Fault> {
        let block = &shown.stored.block;
        let items = block.decode_items();
        let items = items.map_err(|error| Fault::Follow(error.into()))?;
        let next = self.0.next(block, &items, verifier);
        let next = next.map_err(Fault::Follow)?;
        if next.step == Step::Known {
            return Ok(Went::Known);
        }
        for entry in shown.entries.iter().flatten() {
            entry
                .transaction
                .verify(verifier)
                .map_err(|_| Fault::Transaction)?;
        }
        self.0 = next.reading;
        Ok(Went::On)
    }

    /// Accuses the source of a block that was refused.
    pub(crate) fn accuse(&self, block: &Block, fault: &Fault) -> Option<Evidence> {
        match fault {
            Fault::Follow(error) => self.0.follower()?.accuse(block, error),
            Fault::Transaction | Fault::Heartbeat => None,
        }
    }

    /// Takes a heartbeat.
    pub(crate) fn heartbeat(
        &self,
        heartbeat: &Heartbeat,
        verifier: &dyn Verifier,
    ) -> Result<(), Fault> {
        if heartbeat.peer != self.0.source() || heartbeat.verify(verifier).is_err() {
            return Err(Fault::Heartbeat);
        }
        self.0.agrees(&heartbeat.head).map_err(|_| Fault::Heartbeat)
    }
}
