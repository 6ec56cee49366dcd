//! Evidence of a wrong item: refuted by its place, by the `hold` in force, or by its transaction.

use super::{EvidenceError, Rule};
use crate::{
    block::{self, Holds, Item, ItemError},
    namespace::Overlay,
    receipt::ItemProof,
    signed::Verifier,
    wire,
};

/// An item that breaks a rule of its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefutedItem {
    /// The item, with its transaction if it is a transaction item.
    pub item: ItemProof,
    /// The `hold` in force: the first item of the block that the header of `item` names.
    pub hold: Option<ItemProof>,
}

impl RefutedItem {
    pub(super) fn to_wire(&self) -> wire::RefutedItem {
        wire::RefutedItem {
            item: Some(self.item.to_wire()),
            hold: self.hold.as_ref().map(ItemProof::to_wire),
        }
    }

    pub(super) fn from_wire(
        wire: wire::RefutedItem,
        overlay: &Overlay,
    ) -> Result<Self, EvidenceError> {
        let missing = || EvidenceError::Malformed("the item is missing".to_owned());
        let item = wire.item.ok_or_else(missing)?;
        let hold = wire.hold.map(|hold| ItemProof::from_wire(hold, overlay));
        Ok(Self {
            item: ItemProof::from_wire(item, overlay)?,
            hold: hold.transpose()?,
        })
    }

    pub(super) fn check(&self, verifier: &dyn Verifier) -> Result<Rule, EvidenceError> {
        let proof = &self.item;
        let (header, number) = (&proof.header, proof.index);
        header.verify(verifier)?;
        if !proof.is_included() {
            return Err(EvidenceError::Innocent("the item is not in its block"));
        }
        let item = decode(proof)?;
        let height = header.height;
        if number == 0 && height == 0 && !matches!(item, Item::Hold(_)) {
            return Ok(Rule::NoHold(header.incarnation));
        }
        let holds = match &self.hold {
            Some(hold) => Some(in_force(hold, header, verifier)?),
            None => None,
        };
        if let Err(error) = block::check_item(number as usize, &item, holds.as_ref()) {
            return Ok(Rule::Item {
                height,
                item: number,
                error,
            });
        }
        let Item::Transaction { id, bitmap, cells } = item else {
            return Err(EvidenceError::Innocent("the item breaks no rule"));
        };
        let (Some(holds), Some(transaction)) = (holds, &proof.transaction) else {
            let why = "an item of a transaction needs the transaction and the hold";
            return Err(EvidenceError::Innocent(why));
        };
        // The id covers the body of the transaction, so that nobody can show another one. Its signature does not count.
        if transaction.id() != id {
            return Err(EvidenceError::Innocent(
                "the item is of another transaction",
            ));
        }
        match holds.check(transaction, &bitmap, &cells) {
            Err(error) => Ok(Rule::Cells { height, id, error }),
            Ok(()) => Err(EvidenceError::Innocent("the item matches its transaction")),
        }
    }
}

/// The arcs of `hold`, if it is the one that `header` names.
pub(super) fn in_force(
    hold: &ItemProof,
    header: &block::Header,
    verifier: &dyn Verifier,
) -> Result<Holds, EvidenceError> {
    let place = |header: &block::Header| (header.peer, header.incarnation);
    let is_named = place(&hold.header) == place(header) && hold.header.height == header.hold;
    if !is_named || hold.index != 0 {
        let why = "the hold is not the one that the header names";
        return Err(EvidenceError::Innocent(why));
    }
    hold.header.verify(verifier)?;
    if !hold.is_included() {
        return Err(EvidenceError::Innocent("the hold is not in its block"));
    }
    match decode(hold)? {
        Item::Hold(holds) => Ok(holds),
        // A header may name a block without a hold. Readers refuse it, and it proves nothing.
        _ => Err(EvidenceError::Innocent(
            "the header names a block without a hold",
        )),
    }
}

fn decode(proof: &ItemProof) -> Result<Item, EvidenceError> {
    let malformed = |error: ItemError| EvidenceError::Malformed(error.to_string());
    Item::decode(&proof.item).map_err(malformed)
}
