//! The client's decisions: what a line of JSON means, and what of it is new.
//!
//! Nothing here has a clock, a socket, a disk, a thread or a random generator.
#![warn(missing_docs)]

pub mod grouping;
pub mod ingest;
pub mod json;
pub mod map;
pub mod merge;
pub mod routing;
