//! Code that the tests of several crates share. A crate names it in `[dev-dependencies]` and nowhere else.
//!
//! | module | contents |
//! | --- | --- |
//! | [`conformance`] | the suite that every implementation of a store passes |
//! | [`journals`] | keys, submissions and blocks for tests of journals and stores |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![warn(missing_docs)]

pub mod conformance;
pub mod journals;
