//! Code that the tests of several crates share. A crate names it in `[dev-dependencies]` and nowhere else.
//!
//! | module | contents |
//! | --- | --- |
//! | [`conformance`] | the suite that every implementation of a store passes |
//! | [`journals`] | keys, submissions and blocks for tests of journals and stores |
//! | [`SharedStore`] | a store in memory that is read while it is written |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![warn(missing_docs)]

pub mod conformance;
pub mod journals;
mod shared_store;

pub use shared_store::SharedStore;
