//! A simulator of the whole network: the real cores of peers, aggregator, indexer and clients, on failing disks and a
//! failing network, all from one seed.
//!
//! A [`World`] is one network. [`invariants`] holds the promises, one a file, each with its source in
//! `docs/promises.md`. [`faults`] holds the kinds of faults. [`run`] draws a world from a seed, troubles it, heals it
//! and checks that it converges; [`sweep`] does so for many seeds; [`shrink`] makes a failing run small. Stories in the
//! tests drive a world step by step.
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
mod lies;
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
pub use lies::Lie;
pub use peer::Weather;
pub use publisher::{About, Publication, Publisher, canonical};
pub use random::Random;
pub use world::{Shape, World};
