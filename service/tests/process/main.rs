//! The frame of a process: what the end of a task means.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configuration;
mod ends;
mod stages;
