//! Certificate chains: who is admitted, who is refused, and that nothing changed is ever accepted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chains;
mod deviations;
mod encodings;
mod keys;
mod mutations;
mod rewritten;
mod vectors;
