//! The peer's protocol under test: real cores, with everything around them simulated from one seed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cluster;

mod bodies;
mod catch_up;
mod fill;
mod hostile;
mod limits;
mod parts;
mod start;
mod swarm;
mod write;
