//! Links to partners over QUIC: one connection for each, dialled by the one with the smaller key.
//!
//! Each side opens two one-way streams: *prompt* for what is small and waited for, *bulk* for transactions with
//! their records, so that a large body never holds up a confirmation. Messages are framed by a length of four
//! bytes, big-endian.
//!
//! A handshake has its own deadline, and back-off ends only with a partner's hello: a TLS 1.3 client believes that it is
//! connected before the other side has refused it.

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
