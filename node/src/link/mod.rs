//! Links to partners over QUIC: one connection to each, dialled by the peer with the smaller key.
//!
//! Each side opens two one-way streams: *prompt* for small and urgent messages, *bulk* for transactions with their
//! records. So a large body never delays a confirmation. Before each message is its length: four bytes, big-endian.
//!
//! A handshake has its own deadline. Back-off ends only with a partner's hello, because a TLS 1.3 client may report a
//! connection before the server refuses the client's certificate.

mod connection;
mod dial;
mod endpoint;
mod frame;
mod lanes;
mod reset;
mod vouched;

pub(crate) use connection::LinkContext;
pub(crate) use dial::dial;
pub use endpoint::BindError;
pub(crate) use endpoint::{PROTOCOL, accept, bind, follow_tls};
pub(crate) use lanes::Lanes;
