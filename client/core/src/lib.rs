//! The decisions of a client: what a line of JSON changes, which replicas a call asks, and how answers are merged.
//!
//! Nothing here has a clock, a socket, a disk, a thread or a random generator.
#![warn(missing_docs)]

pub mod grouping;
pub mod ingest;
pub mod json;
pub mod map;
pub mod merge;
pub mod routing;
pub mod view;
