//! The promises of an aggregator, for any order of events and any crash.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anything_goes;
mod lies;
mod peers;
mod plans;
mod process;
mod records;
mod status;
mod stories;
