//! The decisions of an indexer: which records it waits for, which documents a commit writes, and their digest.
//!
//! A document is the fold of one set ([`kittengrad_client_core::view::fold`]). The fold is pure: any order, batching,
//! repetition and number of shards gives the same documents and the same digest. Nothing here has a clock, a disk or a
//! thread.
#![warn(missing_docs)]

mod cursors;
mod digest;
pub mod follow;
mod indexer;
pub mod limits;
pub mod pace;
mod pending;
mod publisher;
mod set;
mod state;
mod store;
mod waiting;
mod words;

pub use cursors::{Cursors, Last};
pub use digest::{Digest, DigestError, document_hash};
pub use indexer::{Block, Fetched, Indexer, Input, Output, Transaction, Wanted};
pub use pending::{Changed, Commit, News};
pub use publisher::{PublisherName, Publishers};
pub use set::{Set, SetError};
pub use state::{Counts, State, StateError};
pub use store::{Store, StoreError, Stored};
pub use waiting::Waiting;
pub use words::{searched_text, summary};
