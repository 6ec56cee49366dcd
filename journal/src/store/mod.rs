//! The seam to storage: what is kept, what is asked, what is written. Each family of rows has a trait of its own.
//!
//! | family | trait | key |
//! | --- | --- | --- |
//! | blocks of the owner's journal | [`BlockStore`] | incarnation and height |
//! | elements of the set | [`ElementStore`] | the element |
//! | transactions, as they were signed | [`TransactionStore`] | id |
//! | records | [`RecordStore`] | digest |
//! | certificate chains | [`ChainStore`] | id |
//! | small values of the owner's own | [`StateStore`] | the owner's |

mod blocks;
mod chains;
mod elements;
mod records;
mod states;
mod transactions;

use bytes::Bytes;
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::Element,
};
use thiserror::Error;

pub use blocks::{BlockStore, StoredBlock};
pub use chains::ChainStore;
pub use elements::{ElementPage, ElementStore, Locator, walk_ranges};
pub use records::RecordStore;
pub use states::StateStore;
pub use transactions::TransactionStore;

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

/// Something to write or to remove.
///
/// All writes of one commit reach the disk together or not at all. They count in their order: a row that is removed
/// and written in one commit is there afterwards, and one that is written and removed is not.
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
    /// The removal of a row; of one that is not there, nothing.
    Remove(RowKey),
}

/// The name of a row: its family, and its key there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// A block.
    Block {
        /// Which journal of the owner.
        incarnation: u64,
        /// Height of the block.
        height: u64,
    },
    /// An element of the set.
    Element(Element),
    /// A transaction.
    Transaction(Id),
    /// A record.
    Record(RecordId),
    /// A certificate chain.
    Chain(Id),
    /// A small value.
    State(Bytes),
}

impl Write {
    /// The row that is written or removed.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Block(stored) => stored.key(),
            Self::Element(element, _) => RowKey::Element(*element),
            Self::Transaction(id, _) => RowKey::Transaction(*id),
            Self::Record(id, _) => RowKey::Record(*id),
            Self::Chain(id, _) => RowKey::Chain(*id),
            Self::State(key, _) => RowKey::State(key.clone()),
            Self::Remove(key) => key.clone(),
        }
    }
}

/// What a journal's owner keeps, family by family. Reads see everything committed, and nothing else.
pub trait Store:
    BlockStore + ChainStore + ElementStore + RecordStore + StateStore + TransactionStore + Send + Sync
{
}

impl<S> Store for S where
    S: BlockStore
        + ChainStore
        + ElementStore
        + RecordStore
        + StateStore
        + TransactionStore
        + Send
        + Sync
{
}
