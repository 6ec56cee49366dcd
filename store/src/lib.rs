//! RocksDB behind the journal's store trait, for peers and aggregators alike.
//!
//! Promises, each kept by a test:
//! - What [`RocksStore::commit`] returned from is on the disk, all of it; what it failed at is there wholly or not
//!   at all. After a failure nothing is read or written any more: the process ends, and opening the store again
//!   shows what is there.
//! - A flipped bit is found when the store is opened or when what it hit is read. It is never taken for the end
//!   of the data, and never gives a wrong value.
//! - One process at a time has a directory, and only that of its own network, namespace and key.
//! - Memory is bounded by [`Options`], whatever the size of the data.
//!
//! A damaged store is not mended (rfd 4): [`quarantine`] puts it aside, and its owner fills a new one from its partners
//! under a new incarnation.
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
