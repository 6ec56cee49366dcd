//! Heads: the names of blocks.

use bytes::Bytes;

use crate::{
    id::{Id, IdError},
    wire,
};

/// The name of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The incarnation of the peer's journal.
    pub incarnation: u64,
    /// Number of the block, from 0.
    pub height: u64,
    /// Hash of the block.
    pub hash: Id,
}

impl Head {
    /// The place of the block in its owner's journals: incarnation, then height.
    #[must_use]
    pub const fn place(&self) -> (u64, u64) {
        (self.incarnation, self.height)
    }

    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Head {
        wire::Head {
            incarnation: self.incarnation,
            height: self.height,
            hash: Bytes::copy_from_slice(self.hash.as_bytes()),
        }
    }

    /// Reads the wire form; `None` stays `None`.
    ///
    /// # Errors
    /// If the hash has another length.
    pub fn from_wire(wire: Option<&wire::Head>) -> Result<Option<Self>, IdError> {
        wire.map(|wire| {
            let hash = Id::from_slice(&wire.hash)?;
            Ok(Self {
                incarnation: wire.incarnation,
                height: wire.height,
                hash,
            })
        })
        .transpose()
    }
}
