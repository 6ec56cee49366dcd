//! The seam to storage: what is kept, what is asked, what is written.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Block, Head, Header},
    id::{Id, RecordId},
    transaction::Element,
};
use thiserror::Error;

/// Where an element stands in the owner's journal: the item that added it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator {
    /// Which journal of the owner.
    pub incarnation: u64,
    /// Height of the block.
    pub height: u64,
    /// Number of the item in the block.
    pub index: u32,
}

/// A block as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// Header and items.
    pub block: Block,
    /// Elements that this incarnation added before this block.
    pub offset: u64,
}

/// Why the store did not answer. A reader may try elsewhere; the owner of the store stops.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The device failed, or the store refuses to go on after it did.
    #[error("store: {0}")]
    Io(String),
    /// What was read is not what was written.
    #[error("store is damaged: {0}")]
    Damaged(String),
}

/// Something to write. All writes of one commit reach the disk together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A block of the owner's journal. Boxed, because there is one for thousands of the others.
    Block(Box<StoredBlock>),
    /// An element of the set.
    Element(Element, Locator),
    /// A transaction, as it was signed.
    Transaction(Id, Bytes),
    /// A record.
    Record(RecordId, Bytes),
    /// A certificate chain, as its id names it.
    Chain(Id, Bytes),
    /// A small value of the owner's own, such as a cursor.
    State(Bytes, Bytes),
}

/// What a journal's owner keeps. Reads see everything committed, and nothing else.
pub trait Store: Send + Sync {
    /// For each element, whether the set has it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError>;

    /// The item that added an element.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError>;

    /// The updates of a canonical, ascending; `None` if no element names it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError>;

    /// The first `limit` updates of a canonical after one of them, or from the beginning, ascending; `None` if no element
    /// names it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn set_page(
        &self,
        canonical: &RecordId,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Option<Vec<RecordId>>, StoreError> {
        let page = |updates: Vec<RecordId>| {
            let updates = updates.into_iter();
            let rest = updates.skip_while(|update| after.is_some_and(|after| update <= after));
            rest.take(limit).collect()
        };
        Ok(self.set(canonical)?.map(page))
    }

    /// Whether any element names this canonical.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError>;

    /// For each id, the transaction's bytes if they are here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// For each id, whether the transaction is here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        Ok(self
            .transactions(ids)?
            .iter()
            .map(Option::is_some)
            .collect())
    }

    /// For each id, the record's bytes if they are here.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// A certificate chain.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError>;

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

    /// A small value.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// All small values whose key begins with `prefix`, ascending by key.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// The last block of the newest incarnation.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn head(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.incarnations()?.last().map(Header::head))
    }
}
