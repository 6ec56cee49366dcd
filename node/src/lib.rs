//! A peer as a process: QUIC, gRPC, HTTP and RocksDB around the pure core.
//!
//! ```text
//!   gRPC ──┐   verified   ┌────────────┐ writes  ┌─────────┐
//!   QUIC ──┼─────────────▶│   driver   │────────▶│ RocksDB │
//!   ticks ─┘   commands   │ (one core) │         └─────────┘
//!                         └─────┬──────┘
//!                     sends, replies, head, status
//! ```
//!
//! All decisions are in [`kittengrad_node_core`]. The driver owns the core and the store's writes, on its own thread.
//! Connections and the worker pool send it commands over one bounded queue.

pub mod config;
mod driver;
mod failure;
mod grpc;
mod identity;
mod link;
mod metrics;
pub mod run;

mod show;

mod verify;

pub use driver::DriverError;
pub use link::BindError;
