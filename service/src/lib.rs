//! The edge that all servers share: verified connections, the Journal service, lookups, plain pages.
//!
//! Peers and aggregators serve their journals through the same code, so that a reader cannot tell them
//! apart (rfd 3). Nothing here is global: what a process counts, signs and shows belongs to one object, and ten of
//! them can live in one process.
//!
//! | module | what |
//! | --- | --- |
//! | [`handshakes`] | TLS configurations, renewed and replaced while the process runs |
//! | [`tls`], [`serve`] | connections: mutual TLS 1.3, roles, limits, keep-alive, shutdown |
//! | [`process`], [`config`] | the frame of a process: tasks, signals, shutdown, and its configuration file |
//! | [`credentials`] | who the server is |
//! | [`closing`], [`aside`], [`space`] | its disk: letting go of a store, damaged data, room |
//! | [`caller`], [`room`], [`status`] | who calls, what may lie ready for it, and how a call is refused |
//! | [`journal`] | the Journal service over a store and the last block on disk |
//! | [`lookup`], [`route`] | sets and records, and who holds them, within limits |
//! | [`http`], [`metrics`], [`reflection`] | what operators and tools look at |
#![warn(missing_docs)]

pub mod aside;
pub mod caller;
pub mod clock;
pub mod closing;
pub mod config;
pub mod credentials;
pub mod handshakes;
pub mod http;
mod intake;
pub mod journal;
pub mod listen;
pub mod lookup;
pub mod metrics;
pub mod process;
pub mod reflection;
pub mod room;
pub mod route;
mod seats;
pub mod serve;
pub mod space;
pub mod status;
pub mod tls;
pub mod views;
