//! Errors that keep an aggregator from starting, or stop it.

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
    /// This aggregator is not in the network file, so that no client would find it.
    #[error("aggregator {0} is not in the network file: `kittengrad network add` adds it")]
    Stranger(PublicKey),
    /// The client for the sources cannot be made.
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
    /// The driver cannot start the core on this store.
    #[error("aggregator stops: {0}; restart it, it reads missing data from its sources")]
    Driver(#[from] DriverError),
    /// The schemas in the program are damaged.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The system refuses threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task ended before the process was told to stop, or stopped with an error.
    #[error("{0}; restart it, it reads missing data from its sources")]
    Stopped(#[from] Failures),
}

impl RunError {
    /// Whether the store is damaged, so that a restart alone does not help.
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
