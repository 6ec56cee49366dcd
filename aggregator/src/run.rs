//! Running an aggregator: from its files to a process that serves, and back to rest.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use kittengrad_client::ConnectError;
use kittengrad_overlay::file::{NetworkError, NetworkFile};
use kittengrad_pki::credentials::CredentialsError;
use kittengrad_proto::{certificate::Role, id::PublicKey, identity::Addresses, namespace::Overlay};
use kittengrad_service::{
    closing, credentials,
    http::HttpError,
    listen::{ListenError, listen},
    reflection::ReflectionError,
    serve::ServeError,
    tls::DoorError,
};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, quarantine};
use thiserror::Error;
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, driver::DriverError, wiring::Start};

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
    /// An address in the network file or the configuration cannot be listened on.
    #[error("{key} = {value:?} is no address to listen on: give \"ip:port\" in the configuration")]
    Address {
        /// The configuration key.
        key: &'static str,
        /// What is there.
        value: String,
    },
    /// A port is taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS refuses the certificates.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The driver stopped: the store failed.
    #[error("aggregator stops: {0}; restart it, its sources have what it lacks")]
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
    #[error("a task of the aggregator failed: {0}")]
    Task(String),
}

/// Where a running aggregator listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// gRPC.
    pub grpc: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// Runs an aggregator until `shutdown`. `listening` hears its addresses once both are bound.
///
/// # Errors
/// If it cannot start, or its store fails: the process should then end and be started again.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    listening: oneshot::Sender<Listening>,
) -> Result<(), RunError> {
    let network = NetworkFile::load(&config.network, fs::read_to_string)?;
    let view = network.view()?;
    let credentials = credentials::load(
        &config.credentials,
        Role::Aggregator,
        network.overlay().network,
    )?;
    let own = credentials.holder().key;
    let identity = view.aggregators().find(|identity| identity.key == own);
    let addresses = identity.ok_or(RunError::Stranger(own))?.addresses.clone();
    let sockets = Sockets::bind(&config, &addresses).await?;
    let store = Arc::new(open_store(&config, view.overlay().clone(), own)?);
    // Whoever waits for the addresses may have gone away.
    let _ = listening.send(sockets.listening);
    let data = config.data.clone();
    let start = Start {
        config,
        root: network.root().clone(),
        view,
        credentials,
        store: Arc::clone(&store),
    };
    let ended = start.run(sockets, shutdown).await;
    closing::close(store).await;
    if let Err(RunError::Driver(error)) = &ended
        && error.is_damage()
    {
        put_aside(&data);
    }
    ended
}

/// The store turned out to be damaged while it was in use: the next start begins a new journal in an empty one.
fn put_aside(data: &Path) {
    match quarantine(data) {
        Ok(aside) => tracing::error!(aside = %aside.display(), "the damaged store was put aside"),
        Err(error) => tracing::error!(%error, "the damaged store could not be put aside"),
    }
}

/// Opens the store. One that is damaged is put aside: the sources have everything that was in it.
fn open_store(config: &Config, overlay: Overlay, key: PublicKey) -> Result<RocksStore, RunError> {
    let owner = Owner { overlay, key };
    let bytes = |mib: u64| usize::try_from(mib * 1024 * 1024).unwrap_or(usize::MAX);
    let options = Options {
        cache_bytes_max: bytes(config.store.cache_mib),
        write_buffer_bytes_max: bytes(config.store.write_buffer_mib),
        ..Options::default()
    };
    match RocksStore::open(&config.data, &owner, &options) {
        Err(error @ OpenError::Damaged { .. }) => {
            let aside = quarantine(&config.data)?;
            tracing::error!(
                %error,
                aside = %aside.display(),
                "the store is damaged and was put aside; a new journal begins and reads the sources again"
            );
            Ok(RocksStore::open(&config.data, &owner, &options)?)
        }
        opened => Ok(opened?),
    }
}

/// Everything that listens.
pub(crate) struct Sockets {
    pub(crate) grpc: TcpListener,
    pub(crate) http: TcpListener,
    listening: Listening,
}

impl Sockets {
    async fn bind(config: &Config, addresses: &Addresses) -> Result<Self, RunError> {
        let choose = |key, configured: Option<SocketAddr>, announced: &str| match configured {
            Some(address) => Ok(address),
            None => announced.parse().map_err(|_| RunError::Address {
                key,
                value: announced.to_owned(),
            }),
        };
        let grpc = choose("listen.grpc", config.listen.grpc, &addresses.grpc)?;
        let http = choose("listen.http", config.listen.http, &addresses.http)?;
        let grpc_listener = listen(grpc, "listen.grpc").await?;
        let http_listener = listen(http, "listen.http").await?;
        let listening = Listening {
            grpc: grpc_listener.local_addr().unwrap_or(grpc),
            http: http_listener.local_addr().unwrap_or(http),
        };
        Ok(Self {
            grpc: grpc_listener,
            http: http_listener,
            listening,
        })
    }
}
