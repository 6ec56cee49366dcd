//! The decisions of an aggregator, which merges many journals into one. No clock, socket, disk or thread.
//!
//! An [`Aggregator`] has one operation, [`Aggregator::handle`]: it takes one input and fills one [`Output`]. It follows
//! the journals of a cover ([`Plan`]) and merges them into its own signed journal: it emits **exactly the elements that
//! an item of a source lists and that its own set lacks**. Set, positions in the sources and output are one batch. So
//! the same blocks, read again after a crash, add nothing, and the set after a block is the union of the sources'
//! journals up to the positions of that block (rfd 11).
//!
//! ```text
//!  source A ──blocks──▶ queue ─┐ in turns, each in its own order
//!  source B ──blocks──▶ queue ─┼──▶ listed, and not in the own set ──▶ block ──▶ writes ──▶ tip
//!  source C ──blocks──▶ queue ─┘          │ records missing
//!                                         └──▶ absent ──▶ fetches ──▶ records ──▶ writes
//! ```
//!
//! A transaction over the cells of several owners may come in several items, one for each source that lists a part of
//! it. The bitmap of our own item says what it adds.
//!
//! # Absent records
//! An item adds its elements whether their records came with it or not. The missing ones are *absent*: counted
//! ([`Status::records_absent`]), fetched at once and then with back-off, and written when a fetch or another item brings
//! them. They hold up nothing. Each has a row in the store, so none is forgotten.
//!
//! # Items without bodies
//! If faulty replicas are tolerated, each cell is read from more than one source, and the further ones as headers and
//! items only ([`Mode::Items`]). An item without a body is done once the own set contains all elements that it lists.
//! Until then it waits, and its source with it. If nobody else brings the elements within two seconds, the source is
//! read with bodies from its position on ([`Event::Mode`]).
//!
//! # The driver's contract
//! After each round, commit all of [`Output::writes`] in one synced batch before the next call. If that fails, stop.
//! Then call [`Aggregator::committed`], publish [`Output::tip`], and send [`Output::fetches`]. [`driver`] has that
//! order as a sequence of steps, and [`follow`] decides how a source is read.
#![warn(missing_docs)]

mod absent;
mod aggregator;
mod attest;
mod begin;
mod behind;
mod complete;
pub mod driver;
mod emit;
pub mod follow;
mod io;
mod network;
mod plan;
pub mod planner;
mod settled;
mod signals;
mod source;
mod sources;
mod waiting;

pub use aggregator::{Aggregator, Config};
pub use complete::{CellReport, Established, How};
pub use io::{Event, Fatal, Fetch, Input, Now, Output, SourceBlock, SourceEntry, Timing};
pub use network::{Network, TOLERATE_MAX};
pub use plan::{Mode, Plan, Planned};
pub use signals::{SourceReport, SourceState, Status, Uncovered};
