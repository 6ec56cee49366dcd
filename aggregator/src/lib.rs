//! An aggregator as a process: subscriptions, gRPC, HTTP and RocksDB around the pure core.
//!
//! ```text
//!  source ──▶ follower ─┐ verified blocks   ┌────────────┐ writes ┌─────────┐
//!  source ──▶ follower ─┼──────────────────▶│   driver   │───────▶│ RocksDB │◀── journal, lookups
//!  peers  ──▶ fetcher ──┘ records           │ (one core) │        └─────────┘
//!                ▲                          └─────┬──────┘
//!                └────── records wanted ──────────┴──▶ head, view
//! ```
//!
//! All decisions are in [`kittengrad_aggregator_core`]. The driver owns that core and the store's writes, on a thread
//! of its own. Memory is bounded: a follower waits for memory for each block before it reads the next one.
#![warn(missing_docs)]

mod ask;
pub mod config;
mod driver;
mod failure;
mod fetch;
mod follow;
mod grpc;
mod metrics;
mod plans;
mod readers;
pub mod run;
mod show;

pub use driver::DriverError;
