//! The laws of the overlay: merging, the answers of a view about its ring, and the quorum.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod change;
mod file_faults;
mod identities;
mod learning;
mod network;
mod network_file;
mod samples;
mod views;
