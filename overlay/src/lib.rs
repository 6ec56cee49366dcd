//! The members of a ring, in every version of it.
//!
//! | module | contents |
//! | --- | --- |
//! | [`identities`] | the newest identity of each member, by key: a CRDT |
//! | [`view`] | [`View`](view::View): one immutable version of the ring, with keys and states |
//! | [`change`] | [`Change`](change::Change): the rings in force, and the members that must confirm in them |
//! | [`quorum`] | the number of disks that make an acknowledgement |
//! | [`file`](mod@file) | the network file as text |
//!
//! ```text
//! network file ──▶ Identities ──▶ View ──▶ Change ──▶ cells, replicas, quorums
//!                      ▲
//!            identities received from others
//! ```
//!
//! Members are named by their keys and cells by their owners' keys, never by an index: an index means something
//! else in the next ring.
//!
//! The crate is pure. Reading a file is the caller's: [`NetworkFile::load`](file::NetworkFile::load) takes the
//! function that does it.
#![warn(missing_docs)]

pub mod change;
pub mod file;
pub mod identities;
pub mod quorum;
pub mod view;
