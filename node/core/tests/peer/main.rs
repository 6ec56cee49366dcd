//! The peer's protocol under test: real cores, with everything around them simulated from one seed.

mod cluster;

mod swarm;
mod write;
