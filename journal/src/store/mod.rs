//! The interface to storage. Each family of rows has a trait of its own for reads; writes are [`Write`] values.
//!
//! | family | trait | key |
//! | --- | --- | --- |
//! | blocks of the owner's journal | [`BlockStore`] | incarnation and height |
//! | elements of the set | [`ElementStore`] | the element |
//! | transactions, as they were signed | [`TransactionStore`] | id |
//! | records | [`RecordStore`] | digest |
//! | certificate chains | [`ChainStore`] | id |
//! | small values of the owner | [`StateStore`] | the owner's choice |

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

/// Why the store did not answer. A reader may ask another peer; the owner of the store stops.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The device failed, or the store refuses calls after an earlier failure.
    #[error("store: {0}")]
    Io(String),
    /// The store returned other data than was written.
    #[error("store is damaged: {0}")]
    Damaged(String),
}

/// A row to write or to remove.
///
/// All writes of one commit reach the disk together or not at all. They apply in order: a row that is removed and then
/// written in one commit exists afterwards; a row that is written and then removed does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A block of the owner's journal. Boxed, because there is one block for thousands of the other rows.
    Block(Box<StoredBlock>),
    /// An element of the set.
    Element(Element, Locator),
    /// A transaction, as it was signed.
    Transaction(Id, Bytes),
    /// A record.
    Record(RecordId, Bytes),
    /// A certificate chain, under its id.
    Chain(Id, Bytes),
    /// A small value of the owner, such as a cursor, under its key.
    State(Bytes, Bytes),
    /// Removes a row. A missing row is not an error.
    Remove(RowKey),
}

/// The name of a row: its family, and its key there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// A block.
    Block {
        /// The incarnation.
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

/// The store of a journal's owner, with all families. Reads see everything committed, and nothing else.
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
