//! The promises of an aggregator, for any order of events and any crash.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anything_goes;
mod cells;
mod chains;
mod items;
mod liars;
mod lies;
mod links;
mod peers;
mod plans;
mod process;
mod reading;
mod records;
mod restarts;
mod room;
mod rounds;
mod status;
mod stories;
mod words;
