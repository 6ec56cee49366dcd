//! Real processes on loopback, driven as operators and publishers drive them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod commands;
mod completeness;
mod copies;
mod examples;
mod harness;
mod incarnations;
mod kill;
mod relay;
mod rot;
mod skeleton;
mod torture;
