//! Items: the entries of a block.

use bytes::Bytes;
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use prost::Message;
use thiserror::Error;

use super::{
    bitmap::Bitmap,
    cells::{Cells, CellsError},
    holds::{Holds, HoldsError},
};
use crate::{
    id::Id,
    limits::{HOLD_ARCS_MAX, ITEM_BYTES_MAX},
    wire::{self, item::Kind},
};

/// Why bytes are not an item, or not one of this place in a journal. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemError {
    /// More bytes than an item may have.
    #[error("item has {0} bytes, at most {ITEM_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not a protobuf message, or one of an unknown kind.
    #[error("item is malformed: {0}")]
    Malformed(String),
    /// It says nothing: it adds no element, touches no arc, or lists no arc.
    #[error("item says nothing")]
    Empty,
    /// It lists arcs that no owner can hold.
    #[error("item: {0}")]
    Holds(#[from] HoldsError),
    /// Its cells do not fit the arcs that its owner holds.
    #[error("item: {0}")]
    Cells(#[from] CellsError),
    /// It is a `hold` after another item of its block, so that one block would have two meanings of `cells`.
    #[error("a hold is not the first item of its block")]
    LateHold,
    /// It settles an arc that its owner does not hold.
    #[error("item settles {0}, which its owner does not hold")]
    SettlesUnheld(KeyRange),
    /// It drops an arc that its owner holds.
    #[error("item drops {0}, which its owner holds")]
    DropsHeld(KeyRange),
}

/// One entry of a block's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Adds elements of a transaction.
    Transaction {
        /// Id of the transaction.
        id: Id,
        /// The elements that it adds.
        bitmap: Bitmap,
        /// The arcs of the owner's last `hold` in which these elements lie.
        cells: Cells,
    },
    /// All arcs that the owner holds from here on. It is the first item of its block. The owner takes nothing more in
    /// an arc that it leaves out.
    Hold(Holds),
    /// The set at this height has everything that these arcs ever had.
    Settled(KeyRanges),
    /// The owner no longer has the elements of these arcs, which it held before.
    Drop(KeyRanges),
    /// Blocks of an earlier incarnation, from this height on, are lost.
    Gap {
        /// The incarnation.
        incarnation: u64,
        /// The first height missing.
        from_height: u64,
    },
}

impl Item {
    /// The bytes to sign.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let kind = match self {
            Self::Transaction { id, bitmap, cells } => Kind::Transaction(wire::TransactionItem {
                id: Bytes::copy_from_slice(id.as_bytes()),
                bitmap: bitmap.as_bytes().clone(),
                cells: cells.as_bytes().clone(),
            }),
            Self::Hold(holds) => Kind::Hold(arcs_to_wire(holds.arcs())),
            Self::Settled(arcs) => Kind::Settled(arcs_to_wire(arcs.arcs())),
            Self::Drop(arcs) => Kind::Drop(wire::Drop {
                arcs: arcs.arcs().iter().map(arc_to_wire).collect(),
                evidence: Vec::new(),
            }),
            Self::Gap {
                incarnation,
                from_height,
            } => Kind::Gap(wire::Gap {
                incarnation: *incarnation,
                from_height: *from_height,
            }),
        };
        wire::Item { kind: Some(kind) }.encode_to_vec().into()
    }

    /// Reads an item: exactly the bytes that [`Item::encode`] makes, so that every reader of a signed block folds it to
    /// the same set. [`Block::check_items`](super::Block::check_items) checks it in its place.
    ///
    /// # Errors
    /// If it is too large, malformed, of an unknown kind, says nothing, or has fields of another kind.
    pub fn decode(bytes: &Bytes) -> Result<Self, ItemError> {
        if bytes.len() > ITEM_BYTES_MAX {
            return Err(ItemError::TooLarge(bytes.len()));
        }
        let malformed = |why: String| ItemError::Malformed(why);
        let item = wire::Item::decode(bytes.clone()).map_err(|e| malformed(e.to_string()))?;
        let kind = item
            .kind
            .ok_or_else(|| malformed("it has no kind".to_owned()))?;
        let item = Self::from_kind(kind)?;
        if item.encode() != *bytes {
            return Err(malformed("it is not in its one encoding".to_owned()));
        }
        if item.is_empty() {
            return Err(ItemError::Empty);
        }
        Ok(item)
    }

    /// Whether it says nothing. A `hold` without arcs says that its owner holds nothing.
    fn is_empty(&self) -> bool {
        match self {
            Self::Transaction { bitmap, cells, .. } => bitmap.count() == 0 || cells.count() == 0,
            Self::Settled(arcs) | Self::Drop(arcs) => arcs.is_empty(),
            Self::Hold(_) | Self::Gap { .. } => false,
        }
    }

    fn from_kind(kind: Kind) -> Result<Self, ItemError> {
        let malformed = |why: String| ItemError::Malformed(why);
        match kind {
            Kind::Transaction(item) => Ok(Self::Transaction {
                id: Id::from_slice(&item.id).map_err(|e| malformed(e.to_string()))?,
                bitmap: Bitmap::from_bytes(item.bitmap),
                cells: Cells::from_bytes(item.cells),
            }),
            Kind::Hold(hold) => Ok(Self::Hold(Holds::new(arcs_from_wire(&hold.arcs)?)?)),
            Kind::Settled(settled) => Ok(Self::Settled(ranges_from_wire(&settled.arcs)?)),
            Kind::Drop(drop) => Ok(Self::Drop(ranges_from_wire(&drop.arcs)?)),
            Kind::Gap(gap) => Ok(Self::Gap {
                incarnation: gap.incarnation,
                from_height: gap.from_height,
            }),
        }
    }
}

fn arcs_to_wire(arcs: &[KeyRange]) -> wire::Arcs {
    wire::Arcs {
        arcs: arcs.iter().map(arc_to_wire).collect(),
    }
}

fn arcs_from_wire(arcs: &[wire::Arc]) -> Result<Vec<KeyRange>, ItemError> {
    arcs.iter().map(|arc| arc_from_wire(Some(arc))).collect()
}

/// Reads arcs without borders of cells. A list with overlaps or in another order has another encoding afterwards.
fn ranges_from_wire(arcs: &[wire::Arc]) -> Result<KeyRanges, ItemError> {
    if arcs.len() > HOLD_ARCS_MAX {
        return Err(HoldsError::TooMany(arcs.len()).into());
    }
    Ok(arcs_from_wire(arcs)?.into_iter().collect())
}

/// An arc as it travels. The whole circle is (0, 0], wherever its owner's arc begins.
#[must_use]
pub fn arc_to_wire(arc: &KeyRange) -> wire::Arc {
    let arc = match arc.is_whole() {
        true => &KeyRange::WHOLE,
        false => arc,
    };
    wire::Arc {
        from: Bytes::copy_from_slice(arc.from.as_bytes()),
        to: Bytes::copy_from_slice(arc.to.as_bytes()),
    }
}

/// Reads an arc.
///
/// # Errors
/// [`ItemError::Malformed`] if it is missing, its ends are not points, or it is the whole circle from another point
/// than 0.
pub fn arc_from_wire(wire: Option<&wire::Arc>) -> Result<KeyRange, ItemError> {
    let wire = wire.ok_or_else(|| ItemError::Malformed("it has no arc".to_owned()))?;
    let point = |bytes: &Bytes| {
        <[u8; 32]>::try_from(&bytes[..])
            .map(Point::new)
            .map_err(|_| ItemError::Malformed(format!("a point has {} bytes, not 32", bytes.len())))
    };
    let arc = KeyRange::new(point(&wire.from)?, point(&wire.to)?);
    if arc.is_whole() && arc.from != Point::ZERO {
        let why = "a whole circle does not begin at 0";
        return Err(ItemError::Malformed(why.to_owned()));
    }
    Ok(arc)
}
