//! Running an indexer: from its files to a process that serves, and back to rest.

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use kittengrad_client::{Client, ConnectError, config::Timeouts};
use kittengrad_overlay::{
    file::{NetworkError, NetworkFile},
    view::View,
};
use kittengrad_pki::credentials::{Credentials, CredentialsError};
use kittengrad_proto::{
    certificate::{Role, Root},
    id::PublicKey,
};
use kittengrad_service::{
    credentials,
    http::{HttpError, serve},
    listen::{ListenError, listen},
};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, HTTP_DEFAULT},
    driver::{self, DriverError},
    feed::Feed,
    http::{App, Parts},
    index::{Index, IndexOptions, OpenError},
    metrics::IndexerMetrics,
    ring::RingCache,
    source::{Source, SourceStatus, fetch},
    space,
};

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
        /// What does not fit.
        error: Box<ConnectError>,
    },
    /// There is nothing to follow.
    #[error("{} lists no aggregator; `kittengrad network add` adds one", .0.display())]
    NoAggregator(PathBuf),
    /// The aggregator named in the configuration is none.
    #[error(
        "aggregator {0} of the configuration is not in the network file; `kittengrad ring show` lists members"
    )]
    UnknownAggregator(PublicKey),
    /// The network file announces something that cannot be listened on.
    #[error(
        "the network file announces {0:?} for this indexer, which is no address to listen on: give listen.http = \"ip:port\" in the configuration"
    )]
    Address(String),
    /// A port is taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The index does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The index failed.
    #[error("indexer stops: {0}; free space or repair the disk, and start it again")]
    Driver(#[from] DriverError),
    /// HTTP failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The system refuses threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
    /// A task panicked: a bug.
    #[error("a task of the indexer failed: {0}")]
    Task(#[from] JoinError),
}

/// Where a running indexer listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// HTTP.
    pub http: SocketAddr,
}

/// Runs an indexer until `shutdown`. `listening` hears its address once it is bound.
///
/// # Errors
/// If it cannot start, or its disk fails: the process should then end and be started again.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    listening: oneshot::Sender<Listening>,
) -> Result<(), RunError> {
    let network = NetworkFile::load(&config.network, fs::read_to_string)?;
    let view = network.view()?;
    let overlay = view.overlay().clone();
    let journal = choose(&config, &view)?;
    let credentials =
        credentials::load(&config.credentials, Role::Indexer, view.overlay().network)?;
    let http = address(&config, &view, &credentials.holder().key)?;
    let client = connect(&config, network.root().clone(), view, credentials)?;
    let listener = listen(http, "listen.http").await?;
    let http = listener.local_addr()?;

    let options = IndexOptions {
        memory_bytes: config.index.memory_mib * 1024 * 1024,
    };
    let data = config.data.clone();
    // The lock lives as long as this function: to the very end of the process's work.
    let (index, _lock) =
        tokio::task::spawn_blocking(move || Index::open(&data, &overlay, options)).await??;
    // Whoever waits for the address may have gone away.
    let _ = listening.send(Listening { http });

    let mut registry = Registry::with_prefix("kittengrad");
    let metrics = IndexerMetrics::register(&mut registry);
    let feed = Feed::default();
    let committed = index.snapshot().state.cursors.last(&journal);
    let driver = driver::start(index, feed.clone(), metrics.clone())?;
    let (status, source) = watch::channel(SourceStatus::default());

    let app = App::new(Parts {
        snapshots: driver.snapshots,
        source,
        feed,
        ring: RingCache::new(client.clone()),
        metrics: metrics.clone(),
        registry: Arc::new(registry),
        shutdown: shutdown.clone(),
    });
    let mut tasks = JoinSet::new();
    let stopped = shutdown.child_token();
    let stop = stopped.clone();
    let commands = driver.commands.clone();
    let space = space::watch(
        config.data.clone(),
        config.index.reserve_mib,
        status.clone(),
    );
    let following = Source {
        client: client.clone(),
        journal,
        commands,
        status,
        metrics,
    }
    .follow(committed);
    tasks.spawn(async move { stop.run_until_cancelled(following).await.map_or(Ok(()), Ok) });
    let stop = stopped.clone();
    let fetching = fetch(client, driver.fetches, driver.commands);
    tasks.spawn(async move { stop.run_until_cancelled(fetching).await.map_or(Ok(()), Ok) });
    let stop = stopped.clone();
    let tending = app.clone();
    tasks.spawn(async move {
        let tended = async { tokio::join!(space, tending.tend()) };
        stop.run_until_cancelled(tended).await;
        Ok(())
    });
    tasks.spawn(serve(listener, app.router(), stopped.clone()));
    tracing::info!(%http, %journal, "indexer runs");
    end(tasks, driver.ended, stopped).await
}

/// Waits for the first part that ends, stops the others, and lets the driver commit what it has.
async fn end(
    mut tasks: JoinSet<Result<(), HttpError>>,
    mut ended: oneshot::Receiver<Result<(), DriverError>>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let mut driver = None;
    tokio::select! {
        result = &mut ended => driver = Some(result),
        Some(result) = tasks.join_next() => result??,
    }
    stop.cancel();
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    let driver = match driver {
        Some(result) => result,
        None => ended.await,
    };
    Ok(driver.unwrap_or(Err(DriverError::Panicked))?)
}

fn choose(config: &Config, view: &View) -> Result<PublicKey, RunError> {
    let mut aggregators = view.aggregators().map(|aggregator| aggregator.key);
    match config.aggregator_key() {
        Some(key) if aggregators.any(|known| known == key) => Ok(key),
        Some(key) => Err(RunError::UnknownAggregator(key)),
        None => aggregators
            .next()
            .ok_or_else(|| RunError::NoAggregator(config.network.clone())),
    }
}

/// Where to listen: as configured, else as announced in the network file.
fn address(config: &Config, view: &View, key: &PublicKey) -> Result<SocketAddr, RunError> {
    if let Some(address) = config.listen.http {
        return Ok(address);
    }
    let announced = view
        .member(key)
        .map(|identity| identity.addresses.http.as_str());
    match announced.filter(|address| !address.is_empty()) {
        Some(address) => address
            .parse()
            .map_err(|_| RunError::Address(address.to_owned())),
        None => Ok(HTTP_DEFAULT),
    }
}

fn connect(
    config: &Config,
    root: Root,
    view: View,
    credentials: Credentials,
) -> Result<Client, RunError> {
    let timeouts = Timeouts {
        attempt_ms: ATTEMPT_MS,
        ..Timeouts::default()
    };
    Client::new(root, view, credentials, Vec::new(), timeouts).map_err(|error| RunError::Client {
        folder: config.credentials.clone(),
        error: Box::new(error),
    })
}

/// Time for one answer of a member, in milliseconds: the page shows who is unreachable after as long.
const ATTEMPT_MS: u64 = 3_000;
