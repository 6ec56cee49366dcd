//! The frame of a process: its configuration, and the effect of a task that ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configuration;
mod ends;
mod stages;
