//! What the SDK promises, against members that serve real journals over mutual TLS and may be told to misbehave.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;
mod lookups;
mod serve;
mod submissions;
mod subscriptions;
mod tampering;
mod world;
