//! Why an aggregator does not run.

use std::io;

use kittengrad_client::ConnectError;
use kittengrad_overlay::file::NetworkError;
use kittengrad_pki::credentials::CredentialsError;
use kittengrad_proto::id::PublicKey;
use kittengrad_service::{
    handshakes::HandshakesError, listen::ListenError, process::Failures,
    reflection::ReflectionError,
};
use kittengrad_store::OpenError;
use thiserror::Error;

use crate::driver::DriverError;

/// Why an aggregator did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The certificates or the key are wrong, or those of another role.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// This aggregator is not in the network file, so that nobody would find it.
    #[error("aggregator {0} is not in the network file: `kittengrad network add` adds it")]
    Stranger(PublicKey),
    /// Sources cannot be called.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A port is taken, or an address is not one to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS refuses the certificates.
    #[error(transparent)]
    Handshakes(#[from] HandshakesError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The core does not begin with what is in the store.
    #[error("aggregator stops: {0}; restart it, its sources have what it lacks")]
    Driver(#[from] DriverError),
    /// The schemas in the program are damaged.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The system refuses threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task ended although the process was not to stop, or did not stop well.
    #[error("{0}; restart it, its sources have what it lacks")]
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
