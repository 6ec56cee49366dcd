//! Why a peer does not run.

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

/// Why a peer did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The certificates or the key are wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// TLS refuses the certificates.
    #[error(transparent)]
    Handshakes(#[from] HandshakesError),
    /// This peer is not in the ring.
    #[error(transparent)]
    Stranger(#[from] StrangerError),
    /// Its identity cannot be signed with the certificates that it has now.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A TCP port is taken, or an address is not one to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The QUIC port is taken, or TLS lacks what QUIC needs.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The core does not begin with what is in the store.
    #[error("peer stops: {0}; restart it, its partners have what it lacks")]
    Driver(#[from] DriverError),
    /// The schemas in the program are damaged.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The system refuses threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task ended although the process was not to stop, or did not stop well.
    #[error("{0}; restart it, its partners have what it lacks")]
    Stopped(#[from] Failures),
}

impl RunError {
    /// What is on the disk is not what was written, so that a restart alone does not help.
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
