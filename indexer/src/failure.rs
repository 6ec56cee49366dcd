//! Errors of an indexer that does not start or stops by itself.

use std::{io, path::PathBuf};

use kittengrad_client::ConnectError;
use kittengrad_overlay::file::NetworkError;
use kittengrad_pki::credentials::CredentialsError;
use kittengrad_proto::id::PublicKey;
use kittengrad_service::{listen::ListenError, process::Failures};
use thiserror::Error;

use crate::index::OpenError;

/// Why an indexer did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The certificates or the key are wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The credentials do not fit the network file.
    #[error("credentials in {}: {error}", folder.display())]
    Client {
        /// The folder.
        folder: PathBuf,
        /// The contradiction.
        error: Box<ConnectError>,
    },
    /// The network file has no aggregator to follow.
    #[error("{} lists no aggregator; `kittengrad network add` adds one", .0.display())]
    NoAggregator(PathBuf),
    /// The configured aggregator is not an aggregator of the network file.
    #[error(
        "aggregator {0} of the configuration is not in the network file; `kittengrad ring show` lists members"
    )]
    UnknownAggregator(PublicKey),
    /// A port is taken, or an address is not one to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The index does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A task ended before the process was told to stop, or failed while it stopped.
    #[error("{0}; free space or repair the disk, and start it again")]
    Stopped(#[from] Failures),
}
