//! Code that the tests of several crates share. A crate names it in `[dev-dependencies]` and nowhere else.
//!
//! | module | contents |
//! | --- | --- |
//! | `authority` | authorities and the holders that they certify |
//! | [`clock`] | the time it is, and fixed times |
//! | [`conformance`] | the tests that every implementation of a store passes |
//! | `ports` | free ports on loopback |
//! | [`samples`] | sample records, and the folder of real ones |
//! | [`SharedStore`] | a store in memory that is read while it is written |
//! | `tower` | towers of certificates from one-byte seeds, valid ones and deviating ones |
//! | `wait` | waiting for a condition, with a deadline |
//!
//! The feature `processes` adds the modules for tests of processes (`authority`, `ports`, `wait`), and `certificates`
//! adds `tower`. Tests of pure crates need neither.
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
