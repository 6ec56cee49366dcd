//! Implements the journal's store trait with RocksDB, for peers and aggregators.
//!
//! Promises, each kept by a test:
//! - When [`RocksStore::commit`] returns, all its writes are on the disk. The writes of a failed commit are there all
//!   or not at all. After a failed commit the store refuses all reads and writes: the process ends, and the next open
//!   shows whether they are there.
//! - A flipped bit is found when the store is opened or when the damaged data is read. It is never taken for the end
//!   of the data, and never gives a wrong value.
//! - A directory is used by one process at a time, and belongs to one network, namespace and key.
//! - [`Options`] bound the memory, for any size of the data.
//!
//! A damaged store is not repaired (rfd 4): [`quarantine`] puts it aside, and its owner fills a new one from its
//! partners under a new incarnation.
#![warn(missing_docs)]

mod directory;
mod family;
#[cfg(test)]
mod golden;
mod growth;
mod log_file;
mod open;
mod options;
mod owner;
mod rows;
mod stats;
mod store;

pub use open::{OpenError, free_bytes, quarantine};
pub use options::Options;
pub use owner::Owner;
pub use stats::Stats;
pub use store::RocksStore;
