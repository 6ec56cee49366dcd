//! Tests of the store on disk: it conforms to the model, and keeps its promises over crashes and damage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;
mod cost;
mod crash;
mod damage;
mod directory;
mod failure;
mod rocks;
