//! The client SDK: routes, signs, retries, merges and verifies. A program trusts the results without trusting any
//! single peer.
//!
//! | module | content |
//! | --- | --- |
//! | [`config`] | the configuration of a client |
//! | [`submit`] | drafts in, acknowledged transactions out |
//! | [`lookup`] | the sets of canonicals, merged from several replicas |
//! | [`subscribe`] | journals as verified streams that continue after a lost connection |
//! | [`records`] | single records, from the first replica that answers |
//! | [`receipt`] | receipts, checked against the ring |
//! | [`status`] | the members of the network, their condition and their journals |
//! | [`publisher`], [`vouched`] | keys that sign; certificate chains that were verified |
//! | [`channel`] | gRPC over mutual TLS 1.3, one connection per member |
//! | [`fault`], [`pauses`] | errors of a call; pauses between attempts |
//!
//! [`kittengrad_client_core`] has the decisions, without clocks and sockets; this crate adds those.
//!
//! # Where to start
//!
//! - The guide is "The first five minutes" in `README.md`: it starts a network on this machine and writes
//!   `kittengrad-demo/client.toml`, which [`Client::connect`] needs.
//! - The examples in `client/examples` are complete programs of about fifty lines. A test runs each of them.
//! - The terms are in the [glossary].
//!
//! | example | shows |
//! | --- | --- |
//! | `insert` | a canonical and its first update, acknowledged by a quorum |
//! | `lookup` | a quorum read, and the document that it folds into |
//! | `follow` | the elements of the aggregator's journal, verified one by one |
//! | `ingest` | a file of JSON lines through a map |
//!
//! ```sh
//! cargo run -p kittengrad-client --example insert -- kittengrad-demo/client.toml work:1 'A work'
//! ```
#![warn(missing_docs)]

mod ask;
pub mod channel;
mod client;
mod clock;
pub mod config;
pub mod fault;
pub mod lookup;
pub mod pauses;
pub mod publisher;
pub mod receipt;
pub mod records;
pub mod status;
pub mod submit;
pub mod subscribe;
pub mod vouched;

pub use client::{Client, ConnectError};

#[cfg(doc)]
#[doc = include_str!("../../docs/GLOSSARY.md")]
pub mod glossary {}
