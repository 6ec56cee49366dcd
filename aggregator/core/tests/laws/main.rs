//! What an aggregator promises, whatever the order in which things happen and wherever it crashes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anything_goes;
mod lies;
mod peers;
mod plans;
mod process;
mod records;
mod stories;
