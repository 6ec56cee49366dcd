//! The laws of the overlay: what merges, what a view says of its ring, who must confirm what.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod change;
mod identities;
mod learning;
mod network;
mod network_file;
mod samples;
mod views;
