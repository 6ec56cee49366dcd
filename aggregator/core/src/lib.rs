//! The decisions of an aggregator, which merges many journals into one. No clock, socket, disk or thread.
//!
//! An [`Aggregator`] has one operation, [`Aggregator::handle`]: it takes one input and fills one [`Output`]. It follows
//! the journals of a cover ([`Plan`]) and emits every transaction **exactly once, whole, at first sight** into its own
//! signed journal. An element is new if the own set does not have it. The set, the positions in the sources and the
//! output are one batch. So the same blocks, read again after a crash, add nothing.
//!
//! ```text
//!  source A ──blocks──▶ queue ─┐ in turns, each in its own order
//!  source B ──blocks──▶ queue ─┼──▶ not in the own set yet ──▶ block ──▶ writes ──▶ tip
//!  source C ──blocks──▶ queue ─┘          │ records missing
//!                                         └──▶ fetches ──▶ records
//! ```
//!
//! # Records that a source does not have
//! A transaction may span the cells of several owners. Its source sends only the records of elements that *it* adds.
//! The other records are fetched from the peers that hold their canonicals. The transaction waits for them, and so do
//! the later ones of its source, for [`Timing::record_ms`] at most. Then it is emitted without them:
//!
//! - Elements that its source lists are emitted, because they are in a journal. Only bytes are missing, and readers see
//!   an absent record. The aggregator fetches the bytes until they arrive, for up to 4,096 absent records.
//! - Elements that no journal read so far lists are left until a journal lists them. Only then does a transaction come
//!   in two parts. This needs a coordinator that failed halfway.
//!
//! So no transaction waits for ever. At every moment the set is a part of the union of all journals, plus signed
//! transactions whose records were all seen.
//!
//! # The driver's contract
//! After each round, commit all of [`Output::writes`] in one synced batch before the next call. If that fails, stop.
//! Then call [`Aggregator::committed`], publish [`Output::tip`], and send [`Output::fetches`]. [`driver`] has that
//! order as a sequence of steps, and [`follow`] decides how a source is read.
#![warn(missing_docs)]

mod absent;
mod aggregator;
mod begin;
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
mod wants;

pub use aggregator::{Aggregator, Config};
pub use complete::{CellReport, Established, How};
pub use io::{Event, Fatal, Fetch, Input, Now, Output, SourceBlock, SourceEntry, Timing};
pub use network::{Network, TOLERATE_MAX};
pub use plan::{Plan, Planned};
pub use signals::{SourceReport, SourceState, Status, Uncovered};
