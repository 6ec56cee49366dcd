//! Proofs that a peer's journal adds elements: an item, and its path to a signed block.

use bytes::Bytes;

use super::ReceiptError;
use crate::{
    block::{Block, Header, Item, ItemError},
    id::{Id, PublicKey},
    limits::{ITEM_BYTES_MAX, ITEM_PATH_MAX},
    merkle,
    namespace::Overlay,
    signed::Verifier,
    transaction::{Element, Transaction},
    wire,
};

/// One item of a signed block, with its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemProof {
    /// The signed header.
    pub header: Header,
    /// The item's bytes.
    pub item: Bytes,
    /// Its number in the block.
    pub index: u32,
    /// RFC 9162 inclusion path.
    pub path: Vec<Id>,
    /// The transaction that the item names, unless it is the one to prove.
    pub transaction: Option<Transaction>,
}

impl ItemProof {
    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::ItemProof {
        wire::ItemProof {
            header: Some(self.header.signed().to_wire()),
            item: self.item.clone(),
            index: self.index,
            path: Id::concat(&self.path),
            transaction: self.transaction.as_ref().map(|tx| tx.signed().to_wire()),
        }
    }

    /// Checks the structure of a received proof. [`ItemProof::verify`] checks the proof.
    ///
    /// # Errors
    /// For bytes that are not exactly a proof of `overlay`.
    pub fn from_wire(wire: wire::ItemProof, overlay: &Overlay) -> Result<Self, ReceiptError> {
        if wire.item.len() > ITEM_BYTES_MAX {
            return Err(ItemError::TooLarge(wire.item.len()).into());
        }
        if wire.path.len() > ITEM_PATH_MAX * 32 {
            return Err(ReceiptError::Malformed(format!(
                "a path has {} bytes",
                wire.path.len()
            )));
        }
        Ok(Self {
            header: Header::from_wire(wire.header, overlay)?,
            item: wire.item,
            index: wire.index,
            path: Id::list_from_slice(&wire.path)?,
            transaction: wire
                .transaction
                .map(|tx| Transaction::from_wire(Some(tx), overlay))
                .transpose()?,
        })
    }

    /// Proves an item of a block, with copies of its bytes. `None` if the block has no item with this number.
    #[must_use]
    pub fn of(block: &Block, index: u32, transaction: Option<Transaction>) -> Option<Self> {
        let item = Bytes::copy_from_slice(block.items.get(index as usize)?);
        let tree = merkle::Tree::new(block.items.iter().map(|item| &item[..]));
        Some(Self {
            header: block.header.detached(),
            item,
            index,
            path: tree.path(index as usize),
            transaction,
        })
    }

    /// Whether the item has this number in the block of the header.
    #[must_use]
    pub fn is_included(&self) -> bool {
        let (header, leaf) = (&self.header, merkle::leaf(&self.item));
        let (index, count) = (self.index as usize, header.item_count as usize);
        merkle::is_included(&header.items_root, leaf, index, count, &self.path)
    }

    /// Verifies that `peer` signed a block with this item, and returns the elements that the item adds.
    ///
    /// `transaction` is the one to prove.
    ///
    /// # Errors
    /// If a part does not verify.
    pub fn verify(
        &self,
        peer: &PublicKey,
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<Vec<Element>, ReceiptError> {
        self.header.verify(verifier)?;
        self.check(peer, transaction, verifier)
    }

    /// Like [`ItemProof::verify`], for a header whose signature was verified before.
    ///
    /// # Errors
    /// If another part does not verify.
    pub fn check(
        &self,
        peer: &PublicKey,
        transaction: &Transaction,
        verifier: &dyn Verifier,
    ) -> Result<Vec<Element>, ReceiptError> {
        let refuse = |why| ReceiptError::Proof {
            peer: *peer,
            height: self.header.height,
            why,
        };
        if self.header.peer != *peer {
            return Err(refuse("the block is another peer's"));
        }
        if !self.is_included() {
            return Err(refuse("the item is not proved to be in it"));
        }
        let Item::Transaction { id, bitmap, .. } = Item::decode(&self.item)? else {
            return Err(refuse("the item is not a transaction"));
        };
        let named = match &self.transaction {
            Some(other) => {
                other.verify(verifier)?;
                other
            }
            None => transaction,
        };
        if named.id() != id {
            return Err(refuse("the item names another transaction"));
        }
        let elements: Vec<_> = named.elements().collect();
        bitmap
            .check(elements.len())
            .map_err(|_| refuse("the item's bitmap does not fit its transaction"))?;
        Ok(elements
            .into_iter()
            .enumerate()
            .filter(|(i, _)| bitmap.is_set(*i))
            .map(|(_, e)| e)
            .collect())
    }
}
