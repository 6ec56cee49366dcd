//! What an indexer decides: how the set of a canonical folds into one document, and what is committed when.
//!
//! The fold is a pure function of the set: any order, any batching, any repetition and any number of
//! shards give the same documents and the same digest. Nothing here has a clock, a disk or a thread.
#![warn(missing_docs)]

mod cursors;
mod digest;
mod document;
mod fold;
mod indexer;
pub mod limits;
mod pending;
mod publisher;
mod set;
mod state;
mod waiting;
mod words;

pub use cursors::{Cursors, Last};
pub use digest::{Digest, DigestError};
pub use document::{Document, Said, Statement};
pub use fold::fold;
pub use indexer::{
    Block, Fetched, Indexer, Input, Output, Store, StoreError, Stored, Transaction, Wanted,
};
pub use pending::{Changed, Commit, News};
pub use publisher::{PublisherName, Publishers};
pub use set::{Set, SetError};
pub use state::{Counts, State, StateError};
pub use waiting::Waiting;
