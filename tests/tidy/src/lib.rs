//! Tests about the sources themselves: the rules that a review would repeat.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod imports;
mod promises;
mod sources;
