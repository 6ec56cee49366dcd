//! The errors that keep a peer from starting, or stop it.

use std::io;

use kittengrad_overlay::{file::NetworkError, view::StrangerError};
use kittengrad_pki::credentials::CredentialsError;
use kittengrad_proto::identity::IdentityError;
use kittengrad_service::{
    handshakes::HandshakesError, listen::ListenError, process::Failures,
    reflection::ReflectionError,
};
use kittengrad_store::OpenError;
use thiserror::Error;

use crate::{driver::DriverError, link::BindError};

/// A peer did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The certificates or the key cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// TLS refuses the certificates.
    #[error(transparent)]
    Handshakes(#[from] HandshakesError),
    /// This peer is not a member of the ring.
    #[error(transparent)]
    Stranger(#[from] StrangerError),
    /// This peer's identity cannot be signed with its current certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A TCP port is taken, or this host cannot listen on the address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The QUIC port is taken, or TLS lacks the cipher suite that QUIC needs.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The core cannot start from the store.
    #[error("peer stops: {0}; restart it: it fetches missing data from its partners")]
    Driver(#[from] DriverError),
    /// The protobuf schemas in the program are damaged.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The system refuses to start a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task ended before the process was stopped, or failed while it stopped.
    #[error("{0}; restart it: it fetches missing data from its partners")]
    Stopped(#[from] Failures),
}

impl RunError {
    /// Whether the data on disk is damaged, so that a restart alone does not help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Driver(error) => error.is_damage(),
            Self::Stopped(failures) => failures
                .errors()
                .any(|error: &DriverError| error.is_damage()),
            _ => false,
        }
    }
}
