//! A simulator of the whole network: the real cores of peers, aggregator, indexer and clients, on disks and a network
//! that fail in every way we know of, all of it from one seed.
//!
//! A [`World`] is one network. What must never happen is in [`invariants`], one promise a file, each with
//! its source in `docs/promises.md`. What breaks is in [`faults`]. [`run`] draws a world from a seed, troubles it, lets it
//! heal and demands that it converges; [`sweep`] does that for many seeds; [`shrink`] makes a failing one small. Stories
//! in the tests tell a world step by step what happens.
#![allow(clippy::unwrap_used, reason = "a simulator that cannot go on fails")]

mod aggregator;
mod asking;
mod asks;
mod call;
mod calls;
pub mod catalogue;
mod client;
mod disk;
pub mod faults;
mod host;
mod indexer;
pub mod invariants;
mod keys;
mod peer;
mod publisher;
mod queue;
mod random;
pub mod run;
pub mod shrink;
pub mod story;
mod stream;
pub mod sweep;
mod trace;
pub mod world;

pub use client::{Load, Tally};
pub use disk::{SimDisk, Snapshot};
pub use host::Node;
pub use keys::{Key, Scheme, identity};
pub use peer::Weather;
pub use publisher::{About, Publication, Publisher, canonical};
pub use random::Random;
pub use world::{Shape, World};
