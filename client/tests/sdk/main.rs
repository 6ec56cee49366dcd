//! Promises of the SDK, tested against members that serve real journals over mutual TLS and misbehave on request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;
mod lookups;
mod serve;
mod submissions;
mod subscriptions;
mod tampering;
mod world;
