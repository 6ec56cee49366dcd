//! The network under test: real cores, with everything around them simulated from one seed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bodies;
mod catch_up;
mod clock;
mod confirm;
mod disk;
mod fill;
mod hostile;
mod limits;
mod memory;
mod order;
mod parts;
mod plants;
mod ring;
mod seeds;
mod start;
mod view;
mod write;

/// Many worlds make and drop many small things.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
