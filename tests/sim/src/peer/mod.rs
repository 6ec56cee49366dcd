//! Peers: real cores on simulated machines, and the network between them.

mod driver;
mod links;
mod machine;
mod network;

pub(crate) use machine::{Machine, Process};
pub(crate) use network::Network;
pub use network::Weather;
