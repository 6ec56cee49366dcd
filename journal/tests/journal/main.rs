//! Tests of the journal: its writer, its followers, its proofs, and the conformance of its store.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blame;
mod block_tree;
mod crossing;
mod cutting;
mod follower;
mod golden;
mod holds;
mod listed;
mod memory;
mod owner;
mod place;
mod prove;
mod read;
mod reading;
mod set;
mod state;
mod writer;
