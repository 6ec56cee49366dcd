//! Why a peer does not run.

use std::io;

use kittengrad_overlay::{file::NetworkError, view::StrangerError};
use kittengrad_pki::{credentials::CredentialsError, transport::TransportError};
use kittengrad_proto::identity::IdentityError;
use kittengrad_service::{
    http::HttpError, listen::ListenError, reflection::ReflectionError, serve::ServeError,
    tls::DoorError,
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
    /// There is no transport certificate.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// This peer is not in the ring.
    #[error(transparent)]
    Stranger(#[from] StrangerError),
    /// Its identity cannot be signed with the certificates that it has now.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An address in the network file or the configuration cannot be listened on.
    #[error("{key} = {value:?} is no address to listen on: give \"ip:port\" in the configuration")]
    Address {
        /// The configuration key.
        key: &'static str,
        /// What is there.
        value: String,
    },
    /// A TCP port is taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The QUIC port is taken, or TLS refuses the certificates.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS refuses the certificates.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The driver stopped: the store failed.
    #[error("peer stops: {0}; restart it, its partners have what it lacks")]
    Driver(#[from] DriverError),
    /// gRPC failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// HTTP failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The schemas in the program are damaged.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The system refuses threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task panicked: a bug.
    #[error("a task of the peer failed: {0}")]
    Task(String),
}
