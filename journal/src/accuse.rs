//! Accusing the owner of a journal: a follower makes evidence of a block or heartbeat that it refuses.
//!
//! What it makes is a candidate: only [`Evidence::check`] says whether it convicts.

use kittengrad_proto::{
    block::{Block, BlockError, Header, Item},
    checkpoint::CheckpointError,
    evidence::{Evidence, RefutedCheckpoint, RefutedItem},
    identity::Heartbeat,
    receipt::ItemProof,
    signed_head::SignedHead,
    transaction::Transaction,
};

use crate::follower::{FollowError, Follower};

impl Follower {
    /// Accuses the owner of a block that this follower refused. `None` if the fault is not the owner's, or if what
    /// refutes the block is not here.
    #[must_use]
    pub fn accuse(&self, block: &Block, error: &FollowError) -> Option<Evidence> {
        match error {
            FollowError::Equivocation { .. } => self.accuse_of_two(&header(&block.header)),
            FollowError::Checkpoint { error, .. } => self.accuse_of_checkpoint(block, error),
            FollowError::Block(BlockError::Item { item, .. }) => {
                self.item(block, u32::try_from(*item).ok()?, None)
            }
            FollowError::Block(BlockError::NoHold { .. }) => self.item(block, 0, None),
            _ => None,
        }
    }

    /// Accuses the owner of an item that its transaction refutes. This follower took or refused the block of the item.
    #[must_use]
    pub fn accuse_of_item(
        &self,
        block: &Block,
        number: u32,
        transaction: &Transaction,
    ) -> Option<Evidence> {
        self.item(block, number, Some(transaction.clone()))
    }

    /// Accuses the owner of all items of a transaction that it refutes in a block.
    #[must_use]
    pub fn accuse_of_transaction(
        &self,
        block: &Block,
        transaction: &Transaction,
    ) -> Option<Evidence> {
        let items = block.decode_items().ok()?;
        let lists =
            |item: &Item| matches!(item, Item::Transaction { id, .. } if *id == transaction.id());
        let number = items.iter().position(lists)?;
        self.accuse_of_item(block, u32::try_from(number).ok()?, transaction)
    }

    /// Accuses the owner of a heartbeat with another block at the height of the last one.
    #[must_use]
    pub fn accuse_of_heartbeat(&self, heartbeat: &Heartbeat) -> Option<Evidence> {
        self.accuse_of_two(&SignedHead::Heartbeat(Box::new(heartbeat.clone())))
    }

    /// Adds the last `hold` to evidence that needs one. A reader that began in the middle of a journal does not have it.
    #[must_use]
    pub fn complete(&self, mut evidence: Evidence) -> Evidence {
        let hold = || self.exhibits().hold().cloned();
        match &mut evidence {
            Evidence::Item(item) if item.hold.is_none() => item.hold = hold(),
            Evidence::Checkpoint(of)
                if of.hold.is_none() && of.earlier.is_none() && of.through.is_empty() =>
            {
                of.hold = hold();
            }
            _ => {}
        }
        evidence
    }

    fn accuse_of_two(&self, other: &SignedHead) -> Option<Evidence> {
        let last = header(self.exhibits().last()?);
        last.contradicts(other)
            .then(|| Evidence::Heads(last, other.clone()))
    }

    fn accuse_of_checkpoint(&self, block: &Block, error: &CheckpointError) -> Option<Evidence> {
        let mut refuted = RefutedCheckpoint::of(header(&block.header));
        match error {
            CheckpointError::WentBack { .. } => {
                refuted.earlier = Some(header(self.exhibits().stated()?));
            }
            CheckpointError::OtherArcs(_) => refuted.hold = self.hold_of(block),
            _ => return None,
        }
        Some(Evidence::Checkpoint(Box::new(refuted)))
    }

    fn item(
        &self,
        block: &Block,
        number: u32,
        transaction: Option<Transaction>,
    ) -> Option<Evidence> {
        let item = ItemProof::of(block, number, transaction)?;
        let hold = self.hold_of(block);
        Some(Evidence::Item(Box::new(RefutedItem { item, hold })))
    }

    /// The `hold` to which a block refers: its own first item, or the last one of this follower.
    fn hold_of(&self, block: &Block) -> Option<ItemProof> {
        match block.header.hold == block.header.height {
            true => ItemProof::of(block, 0, None),
            false => self.exhibits().hold().cloned(),
        }
    }
}

fn header(header: &Header) -> SignedHead {
    SignedHead::Header(Box::new(header.clone()))
}
