//! What an aggregator decides, without a clock, a socket, a disk or a thread: many journals in, one out.
//!
//! An [`Aggregator`] has one verb, [`Aggregator::handle`]: one input in, one [`Output`] filled. It follows the
//! journals of a cover ([`Plan`]) and emits every transaction **exactly once, whole, at first sight** into its
//! own signed journal. Membership in its own set decides what is new, and set, positions in the sources and
//! output are one batch, so that after any crash the same blocks, read again, add nothing.
//!
//! ```text
//!  source A ──blocks──▶ queue ─┐ in turns, each in its own order
//!  source B ──blocks──▶ queue ─┼──▶ what the own set lacks ──▶ block ──▶ writes ──▶ tip
//!  source C ──blocks──▶ queue ─┘          │ records missing
//!                                         └──▶ fetches ──▶ records
//! ```
//!
//! # Records that a source does not have
//! A transaction may span the cells of several owners, and its source sends the records of what *it* adds.
//! The others are fetched from those who hold them, and the transaction waits for them, with whatever its
//! source sent after it, for [`Timing::record_ms`] at most. Then it goes on without:
//!
//! - what its source lists is emitted, for it is in a journal; only the bytes are missing, and whoever reads
//!   them is told so like of any record that is gone. They are asked for until they come;
//! - what no journal read so far lists is left for when one does, with its bytes. That is the only case in
//!   which a transaction comes in two parts, and it needs a coordinator that failed halfway.
//!
//! So nothing waits for ever, and the set is at every moment a part of the union of all journals plus
//! signed transactions of which every record was seen.
//!
//! # The driver's contract
//! After each round: commit all of [`Output::writes`] in one synced batch before the next call; if that fails,
//! stop. Then say [`Aggregator::committed`], publish [`Output::tip`], and send [`Output::fetches`].
//! [`driver`] has that order as a sequence of steps, and [`follow`] says how a source is read.
#![warn(missing_docs)]

mod absent;
mod aggregator;
pub mod driver;
mod emit;
pub mod follow;
mod io;
mod plan;
mod settled;
mod signals;
mod source;
mod wants;

pub use aggregator::{Aggregator, Config};
pub use io::{Event, Fatal, Fetch, Input, Now, Output, SourceBlock, SourceEntry, Timing};
pub use plan::{Plan, Planned};
pub use signals::{SourceReport, SourceState, Status};
