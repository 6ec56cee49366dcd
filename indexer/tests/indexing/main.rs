//! Tests of the indexer through its HTTP pages, over restarts, and with real records.
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail where it stands; clippy's own exception covers test functions alone"
)]

mod crash;
mod directory;
mod documents;
mod feed;
mod pages;
mod real;
mod restored;
mod running;
mod searching;
mod world;
