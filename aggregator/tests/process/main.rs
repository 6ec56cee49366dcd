//! A running aggregator, with real sockets, certificates and disks, and peers that serve real journals.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disks;
mod network;
mod peer;
mod serving;
mod sources;
mod starting;
