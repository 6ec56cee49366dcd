//! Tests of the servers over real TLS on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod callers;
mod cursors;
mod doors;
mod errors;
mod lookups;
mod network;
mod pages;
mod routes;
mod streams;
mod world;
