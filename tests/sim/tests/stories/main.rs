//! The network under test: real cores in a simulated world, all from one seed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blame;
mod bodies;
mod catch_up;
mod cells;
mod clock;
mod confirm;
mod disk;
mod evidence;
mod fill;
mod greet;
mod holes;
mod hostile;
mod liars;
mod limits;
mod memory;
mod order;
mod parts;
mod plants;
mod refusals;
mod requests;
mod ring;
mod rows;
mod seeds;
mod serve;
mod start;
mod view;
mod write;

/// Worlds allocate and free many small values.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
