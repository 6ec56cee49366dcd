//! The family of blocks: the owner's own journal.

use kittengrad_proto::block::{Block, Head, Header};

use crate::store::{RowKey, StoreError};

/// A block with its offset, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// Header and items.
    pub block: Block,
    /// Elements that this incarnation added before this block.
    pub offset: u64,
}

impl StoredBlock {
    /// The key of its row.
    pub(super) const fn key(&self) -> RowKey {
        RowKey::Block {
            incarnation: self.block.header.incarnation,
            height: self.block.header.height,
        }
    }
}

/// The blocks that a journal's owner keeps.
pub trait BlockStore {
    /// A block of the owner's journal.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError>;

    /// The incarnations that have blocks here, ascending, each with its last block's header.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn incarnations(&self) -> Result<Vec<Header>, StoreError>;

    /// The last block of the newest incarnation.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn head(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.incarnations()?.last().map(Header::head))
    }
}
