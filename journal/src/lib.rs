//! A hash-linked journal and the set that its items add up to, over a store.
//!
//! A journal's owner applies transactions to its set, lists the elements that each adds, and signs the list: a block.
//! **The set at a height is the fold of the items up to that height.** Peers and aggregators both keep a journal this
//! way (rfd 3). A journal says which arcs its owner holds, and each item which of them it touches. A reader checks a
//! journal with [`Follower`].
//!
//! Nothing here has a clock, a disk or a thread. Changes are values, [`Write`]s. The owner commits them in one synced
//! batch before it shows the block.
#![warn(missing_docs)]

mod accuse;
mod arcs;
mod blame;
mod block_tree;
mod exhibits;
mod follower;
mod memory;
pub mod place;
mod prove;
mod read;
mod reading;
mod state;
mod store;
mod writer;

pub use arcs::{read_arcs, write_arcs};
pub use blame::{Blame, Shown, evidence};
pub use block_tree::{BlockTree, prove_block};
pub use follower::{Accepted, FollowError, Follower, Step};
pub use memory::MemoryStore;
pub use prove::{ProveError, prove};
pub use read::{Blocks, Entry, blocks, entries, transaction};
pub use reading::{Continued, ReadFrom, Reading};
pub use state::{
    Applied, StateError, StateKey, applied, chain, holds, keep_applied, keep_chain, keep_hold,
    keep_holds, publisher_chain, show_hold,
};
pub use store::{
    BlockStore, ChainStore, ElementPage, ElementStore, Locator, RecordStore, RowKey, StateStore,
    Store, StoreError, StoredBlock, TransactionStore, Write, walk_ranges,
};
pub use writer::{
    Added, Cut, Fork, Journal, JournalError, Listed, Observed, Tip, added_elements,
    next_incarnation,
};
