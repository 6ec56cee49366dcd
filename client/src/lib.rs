//! The client SDK: routes, signs, retries, merges and verifies, so that a program can trust what it reads
//! without trusting any single peer.
//!
//! | module | what |
//! | --- | --- |
//! | [`config`] | the configuration of a client |
//! | [`channel`] | gRPC over mutual TLS 1.3, one connection per member |
//! | [`submit`] | drafts in, acknowledged transactions out |
//! | [`receipt`] | whether those who confirmed are the right ones |
//! | [`lookup`] | sets of canonicals, merged from several replicas |
//! | [`records`] | records from whoever of their holders answers first |
//! | [`subscribe`] | journals as verified, resumable streams |
//! | [`status`] | who holds what, and where every journal stands |
//! | [`fault`], [`publisher`], [`vouched`] | what went wrong; who speaks; who vouches for whom |
//!
//! Decisions are made in [`kittengrad_client_core`], which is pure; here are clocks, sockets and tasks.
#![warn(missing_docs)]

mod ask;
pub mod channel;
mod client;
mod clock;
pub mod config;
pub mod fault;
pub mod lookup;
pub mod publisher;
pub mod receipt;
pub mod records;
pub mod status;
pub mod submit;
pub mod subscribe;
pub mod vouched;

pub use client::{Client, ConnectError};
