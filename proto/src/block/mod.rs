//! Blocks: the links of a journal, one group commit each.
//!
//! ```text
//! header = Signed("block"){ peer, incarnation, height, previous, time_ms, items_root, item_count, … }
//! hash   = the header's id
//! items  = byte strings; items_root is their RFC 9162 tree head
//! ```
//! A journal says what its owner holds: `hold` is the first item of the first block, and of each block from which on
//! the owner holds other arcs. Each item of a transaction says which of these arcs it touches.

mod bitmap;
mod cells;
mod head;
mod header;
mod holds;
mod item;

use bytes::Bytes;
use thiserror::Error;

pub use bitmap::{Bitmap, BitmapError};
pub use cells::{Cells, CellsError};
pub use head::Head;
pub use header::{Header, HeaderError, HeaderFields};
pub use holds::{Holds, HoldsError};
pub use item::{Item, ItemError, arc_from_wire, arc_to_wire};

use crate::{
    checkpoint::{self, ThroughList},
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, ITEM_BYTES_MAX},
    merkle::Tree,
    namespace::Overlay,
    signed::Verifier,
    wire,
};

/// Why a header and items are not a block. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The header is wrong.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// An item is wrong.
    #[error("block {height}, item {item}: {error}")]
    Item {
        /// Height of the block.
        height: u64,
        /// Number of the item, from 0.
        item: usize,
        /// The error.
        error: ItemError,
    },
    /// The number of items is not the one in the header.
    #[error("block {height} has {found} items; its header says {said}")]
    Count {
        /// Height of the block.
        height: u64,
        /// Items that arrived.
        found: usize,
        /// Items in the header.
        said: u32,
    },
    /// The block is too large.
    #[error("block {height} has {bytes} bytes, at most {BLOCK_BYTES_MAX} are allowed")]
    TooLarge {
        /// Height of the block.
        height: u64,
        /// Bytes of header, items and positions.
        bytes: usize,
    },
    /// The items do not match the root in the header.
    #[error("the items of block {height} do not match the root in its header")]
    Root {
        /// Height of the block.
        height: u64,
    },
    /// It has no items: a block that says nothing.
    #[error("block {height} has no items")]
    Empty {
        /// Height of the block.
        height: u64,
    },
    /// The header refers to another block as the last one with a `hold`.
    #[error("block {height} refers to the hold of block {named}, which is not the last one")]
    HoldHeight {
        /// Height of the block.
        height: u64,
        /// The height in the header.
        named: u64,
    },
    /// The first block of an incarnation does not begin with a `hold`.
    #[error("block {height} does not say which arcs its owner holds")]
    NoHold {
        /// Height of the block.
        height: u64,
    },
}

/// A header and its items, which match the root in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The signed header.
    pub header: Header,
    /// The items' bytes, as signed.
    pub items: Vec<Bytes>,
    /// The positions in other journals whose root the header's checkpoint signs. Empty without a checkpoint.
    pub through: ThroughList,
}

impl Block {
    /// Reads a received or stored block: checks structure, item count and roots. [`Block::verify`] checks the signature;
    /// a follower checks the link to the block before.
    ///
    /// # Errors
    /// For bytes that are not exactly a block of `overlay` within the limits.
    pub fn from_wire(
        header: Option<wire::Signed>,
        items: Vec<Bytes>,
        through: Vec<Bytes>,
        overlay: &Overlay,
    ) -> Result<Self, BlockError> {
        Self::from_parts(Header::from_wire(header, overlay)?, items, through)
    }

    /// Like [`Block::from_wire`], for a header that was read already.
    ///
    /// # Errors
    /// If items and positions are not those of the header, or beyond a limit.
    pub fn from_parts(
        header: Header,
        items: Vec<Bytes>,
        through: Vec<Bytes>,
    ) -> Result<Self, BlockError> {
        let height = header.height;
        if items.len() > BLOCK_ITEMS_MAX || items.len() != header.item_count as usize {
            return Err(BlockError::Count {
                height,
                found: items.len(),
                said: header.item_count,
            });
        }
        if items.is_empty() {
            return Err(BlockError::Empty { height });
        }
        if let Some(item) = items.iter().position(|item| item.len() > ITEM_BYTES_MAX) {
            return Err(BlockError::Item {
                height,
                item,
                error: ItemError::TooLarge(items[item].len()),
            });
        }
        let listed = items.iter().chain(&through).map(Bytes::len);
        let bytes = header.signed().size_bytes() + listed.sum::<usize>();
        if bytes > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge { height, bytes });
        }
        if Tree::new(items.iter().map(|item| &item[..])).root() != header.items_root {
            return Err(BlockError::Root { height });
        }
        let through = checkpoint::beside(header.checkpoint.as_deref(), through, header.peer);
        let through = through.map_err(HeaderError::Checkpoint)?;
        Ok(Self {
            header,
            items,
            through,
        })
    }

    /// Verifies that the header is signed by the peer that it names.
    ///
    /// # Errors
    /// [`BlockError::Header`] if the signature is forged.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), BlockError> {
        Ok(self.header.verify(verifier)?)
    }

    /// The items, decoded.
    ///
    /// # Errors
    /// [`BlockError::Item`] for the first that is malformed.
    pub fn decode_items(&self) -> Result<Vec<Item>, BlockError> {
        let height = self.header.height;
        let decode = |(item, bytes): (usize, &Bytes)| {
            Item::decode(bytes).map_err(|error| BlockError::Item {
                height,
                item,
                error,
            })
        };
        self.items.iter().enumerate().map(decode).collect()
    }

    /// Checks the decoded items of this block in their place, and returns the arcs that the owner holds after it.
    ///
    /// `before` are the arcs that the owner held before this block. They are `None` for a reader that began in the
    /// middle of the journal and has met no `hold` yet; it cannot check the cells until it meets one. In the first
    /// block of an incarnation, `before` does not count.
    ///
    /// # Errors
    /// [`BlockError::Empty`] without items, [`BlockError::NoHold`] for a first block without `hold`,
    /// [`BlockError::HoldHeight`] if the header does not say whether the block has a `hold`, and [`BlockError::Item`]
    /// for the first item that does not fit the arcs.
    pub fn check_items(
        &self,
        items: &[Item],
        before: Option<&Holds>,
    ) -> Result<Option<Holds>, BlockError> {
        let height = self.header.height;
        let holds = match items.first() {
            None => return Err(BlockError::Empty { height }),
            Some(Item::Hold(holds)) => Some(holds.clone()),
            Some(_) if height == 0 => return Err(BlockError::NoHold { height }),
            Some(_) => before.cloned(),
        };
        let named = self.header.hold;
        let has_hold = matches!(items.first(), Some(Item::Hold(_)));
        if has_hold != (named == height) {
            return Err(BlockError::HoldHeight { height, named });
        }
        for (number, item) in items.iter().enumerate() {
            check_item(number, item, holds.as_ref()).map_err(|error| BlockError::Item {
                height,
                item: number,
                error,
            })?;
        }
        Ok(holds)
    }

    /// This block as a head.
    #[must_use]
    pub fn head(&self) -> Head {
        self.header.head()
    }
}

/// Checks an item against the arcs that the owner holds, if they are known.
pub(crate) fn check_item(
    number: usize,
    item: &Item,
    holds: Option<&Holds>,
) -> Result<(), ItemError> {
    match (item, holds) {
        (Item::Hold(_), _) if number > 0 => Err(ItemError::LateHold),
        (Item::Transaction { cells, .. }, Some(holds)) => Ok(cells.check(holds.arcs().len())?),
        (Item::Settled(settled), Some(holds)) => {
            let held = holds.ranges();
            let unheld = settled.arcs().iter().find(|arc| !held.covers(**arc));
            unheld.map_or(Ok(()), |arc| Err(ItemError::SettlesUnheld(*arc)))
        }
        (Item::Drop(dropped), Some(holds)) => {
            let held = dropped.intersection(&holds.ranges());
            let held = held.arcs().first();
            held.map_or(Ok(()), |arc| Err(ItemError::DropsHeld(*arc)))
        }
        _ => Ok(()),
    }
}
