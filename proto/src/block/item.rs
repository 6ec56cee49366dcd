//! Items: the entries of a block.

use bytes::Bytes;
use kittengrad_ring::{KeyRange, Point};
use prost::Message;
use thiserror::Error;

use super::Bitmap;
use crate::{
    id::Id,
    limits::ITEM_BYTES_MAX,
    wire::{self, item::Kind},
};

/// Why bytes are not a item. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemError {
    /// More bytes than an item may have.
    #[error("item has {0} bytes, at most {ITEM_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not a protobuf message, or one of an unknown kind.
    #[error("item is malformed: {0}")]
    Malformed(String),
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
    },
    /// The owner keeps this arc from here on.
    Hold(KeyRange),
    /// The set at this height has everything that this arc ever had.
    Settled(KeyRange),
    /// The owner no longer keeps this arc.
    Drop(KeyRange),
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
            Self::Transaction { id, bitmap } => Kind::Transaction(wire::TransactionItem {
                id: Bytes::copy_from_slice(id.as_bytes()),
                bitmap: bitmap.as_bytes().clone(),
            }),
            Self::Hold(arc) => Kind::Hold(arc_to_wire(arc)),
            Self::Settled(arc) => Kind::Settled(arc_to_wire(arc)),
            Self::Drop(arc) => Kind::Drop(wire::Drop {
                arc: Some(arc_to_wire(arc)),
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
    /// the same set.
    ///
    /// # Errors
    /// If it is too large, malformed, of an unknown kind, or has fields of another kind.
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
        Ok(item)
    }

    fn from_kind(kind: Kind) -> Result<Self, ItemError> {
        let malformed = |why: String| ItemError::Malformed(why);
        match kind {
            Kind::Transaction(item) => Ok(Self::Transaction {
                id: Id::from_slice(&item.id).map_err(|e| malformed(e.to_string()))?,
                bitmap: Bitmap::from_bytes(item.bitmap),
            }),
            Kind::Hold(arc) => Ok(Self::Hold(arc_from_wire(Some(&arc))?)),
            Kind::Settled(arc) => Ok(Self::Settled(arc_from_wire(Some(&arc))?)),
            Kind::Drop(drop) => Ok(Self::Drop(arc_from_wire(drop.arc.as_ref())?)),
            Kind::Gap(gap) => Ok(Self::Gap {
                incarnation: gap.incarnation,
                from_height: gap.from_height,
            }),
        }
    }
}

/// An arc as it travels.
#[must_use]
pub fn arc_to_wire(arc: &KeyRange) -> wire::Arc {
    wire::Arc {
        from: Bytes::copy_from_slice(arc.from.as_bytes()),
        to: Bytes::copy_from_slice(arc.to.as_bytes()),
    }
}

/// Reads an arc.
///
/// # Errors
/// [`ItemError::Malformed`] if it is missing or its ends are not points.
pub fn arc_from_wire(wire: Option<&wire::Arc>) -> Result<KeyRange, ItemError> {
    let wire = wire.ok_or_else(|| ItemError::Malformed("it has no arc".to_owned()))?;
    let point = |bytes: &Bytes| {
        <[u8; 32]>::try_from(&bytes[..])
            .map(Point::new)
            .map_err(|_| ItemError::Malformed(format!("a point has {} bytes, not 32", bytes.len())))
    };
    Ok(KeyRange {
        from: point(&wire.from)?,
        to: point(&wire.to)?,
    })
}
