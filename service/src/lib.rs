//! The edge that all servers share: verified connections, the Journal service, lookups, plain pages.
//!
//! Peers and aggregators serve their journals through the same code, so that a reader cannot tell them
//! apart (rfd 3). Nothing here is global: counters, keys and pages belong to one object, and ten servers can live in
//! one process.
//!
//! | module | content |
//! | --- | --- |
//! | [`handshakes`] | TLS configurations, renewed and replaced while the process runs |
//! | [`tls`], [`serve`] | connections: mutual TLS 1.3, roles, limits, keep-alive, shutdown |
//! | [`process`], [`config`] | the frame of a process: tasks, signals, shutdown, and its configuration file |
//! | [`credentials`] | loading the key and the certificates of the server |
//! | [`closing`], [`aside`], [`space`] | the disk: closing a store, damaged data, free space |
//! | [`caller`], [`room`], [`status`] | the caller, the room for its answers, and refusals |
//! | [`journal`] | the Journal service over a store and the last block on disk |
//! | [`lookup`], [`route`] | sets and records, and the peers that hold them, within limits |
//! | [`http`], [`metrics`], [`reflection`] | pages for operators and tools |
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
