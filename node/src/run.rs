//! Running a peer: from its files to a process that serves, and back to rest.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use kittengrad_overlay::file::NetworkFile;
use kittengrad_proto::{certificate::Role, id::PublicKey, namespace::Overlay};
use kittengrad_service::{closing, credentials};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, quarantine};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use crate::failure::RunError;
use crate::{
    config::Config,
    identity,
    running::{Prepared, Running},
    sockets::Sockets,
};

/// Where a running peer listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// gRPC.
    pub grpc: SocketAddr,
    /// QUIC.
    pub quic: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// Runs a peer until `shutdown`. `listening` hears its addresses once all of them are bound.
///
/// # Errors
/// If it cannot start, or its store fails: the process should then end and be started again.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    listening: oneshot::Sender<Listening>,
) -> Result<(), RunError> {
    let network = NetworkFile::load(&config.network, fs::read_to_string)?;
    let credentials =
        credentials::load(&config.credentials, Role::Peer, network.overlay().network)?;
    let root = network.root().clone();
    let (view, identity) = identity::today(network.view()?, &root, &credentials)?;
    let sockets = Sockets::bind(&config, &identity.addresses, &credentials).await?;
    let store = open_store(&config, view.overlay().clone(), identity.key)?;
    let store = Arc::new(store);
    // Whoever waits for the addresses may have gone away.
    let _ = listening.send(sockets.listening);
    let data = config.data.clone();
    let prepared = Prepared {
        config,
        root,
        view: Arc::new(view),
        credentials,
        identity,
        store: Arc::clone(&store),
        sockets,
    };
    let ended = Running::start(prepared, shutdown).await;
    closing::close(store).await;
    if let Err(RunError::Driver(error)) = &ended
        && error.is_damage()
    {
        put_aside(&data);
    }
    ended
}

/// The store turned out to be damaged while it was in use: the next start begins with an empty one, which fills.
fn put_aside(data: &Path) {
    match quarantine(data) {
        Ok(aside) => tracing::error!(aside = %aside.display(), "the damaged store was put aside"),
        Err(error) => tracing::error!(%error, "the damaged store could not be put aside"),
    }
}

/// Opens the store. One that is damaged is put aside: the partners have what was acknowledged.
fn open_store(config: &Config, overlay: Overlay, key: PublicKey) -> Result<RocksStore, RunError> {
    let owner = Owner { overlay, key };
    let mib = 1024 * 1024;
    let options = Options {
        cache_bytes_max: config.store.cache_mib * mib,
        write_buffer_bytes_max: config.store.write_buffer_mib * mib,
        ..Options::default()
    };
    match RocksStore::open(&config.data, &owner, &options) {
        Err(error @ OpenError::Damaged { .. }) => {
            let aside = quarantine(&config.data)?;
            tracing::error!(%error, aside = %aside.display(), "the store is damaged and was put aside; filling a new one");
            Ok(RocksStore::open(&config.data, &owner, &options)?)
        }
        opened => Ok(opened?),
    }
}
