//! Code that the tests of several crates share. A crate names it in `[dev-dependencies]` and nowhere else.
//!
//! | module | contents |
//! | --- | --- |
//! | `authority` | authorities and whom they admit |
//! | [`clock`] | the time it is, and fixed times |
//! | [`conformance`] | the suite that every implementation of a store passes |
//! | [`journals`] | keys, submissions and blocks for tests of journals and stores |
//! | `ports` | free ports on loopback |
//! | [`samples`] | records, and where the real ones are |
//! | [`SharedStore`] | a store in memory that is read while it is written |
//! | `tower` | towers of certificates from one-byte seeds, right ones and ones that deviate |
//! | `wait` | waiting for a condition, with a deadline |
//!
//! The feature `processes` adds what only tests of processes need (`authority`, `ports`, `wait`), and `certificates` adds
//! `tower`. Tests of pure crates do without.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![warn(missing_docs)]

#[cfg(feature = "processes")]
pub mod authority;
pub mod clock;
pub mod conformance;
pub mod journals;
#[cfg(feature = "processes")]
pub mod ports;
pub mod samples;
mod shared_store;
#[cfg(feature = "certificates")]
pub mod tower;
#[cfg(feature = "processes")]
pub mod wait;

pub use shared_store::SharedStore;
