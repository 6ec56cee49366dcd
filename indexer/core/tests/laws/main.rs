//! The promises of the fold and of the indexer: documents depend on the set alone.
#![allow(
    clippy::unwrap_used,
    reason = "a test may fail where it stands; clippy's own exception covers test functions alone"
)]

mod commits;
mod convergence;
mod folding;
mod golden;
mod limits;
mod lookups;
mod pace;
mod stored;
mod world;
