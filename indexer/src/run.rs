//! Running an indexer: from its files to a process that serves, and to its end.

use std::{fs, net::SocketAddr, sync::Arc};

use kittengrad_client::{Client, config::Timeouts};
use kittengrad_overlay::{file::NetworkFile, view::View};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::{Role, Root},
    id::PublicKey,
};
use kittengrad_service::{
    credentials,
    listen::{ListenError, choose, listen},
    metrics::registry,
    process::{Process, Stage, joined},
    space,
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

pub use crate::failure::RunError;
use crate::{
    config::{Config, HTTP_DEFAULT},
    driver::{Controls, Driver},
    feed::Feed,
    http::{App, Parts},
    index::{Index, IndexOptions, Lock},
    metrics::IndexerMetrics,
    ring::RingCache,
    source::{Source, SourceStatus, fetch},
};

/// Longest wait for one answer of a member, in milliseconds. The page shows a member as unreachable after it.
const ATTEMPT_MS: u64 = 3_000;

/// The addresses of a running indexer.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// Address of HTTP.
    pub http: SocketAddr,
}

/// Runs an indexer until `shutdown`. Sends the bound address to `listening` when the index is open.
///
/// # Errors
/// If the indexer cannot start, or one of its tasks ends. The process should end then, and be started again.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    listening: oneshot::Sender<Listening>,
) -> Result<(), RunError> {
    let network = NetworkFile::load(&config.network, fs::read_to_string)?;
    let view = network.view()?;
    let overlay = view.overlay().clone();
    let journal = source_of(&config, &view)?;
    let credentials =
        credentials::load(&config.credentials, Role::Indexer, view.overlay().network)?;
    let http = address(&config, &view, &credentials.holder().key)?;
    let client = client(&config, network.root().clone(), view, credentials)?;
    let listener = listen(http, "listen.http").await?;
    let http = listener.local_addr().unwrap_or(http);

    let options = IndexOptions {
        memory_bytes: config.index.memory_mib * 1024 * 1024,
    };
    let data = config.data.clone();
    let opening = spawn_blocking(move || Index::open(&data, &overlay, options));
    let (index, lock) = joined(opening.await)?;
    // Sending fails if the caller does not wait for the address.
    let _ = listening.send(Listening { http });
    tracing::info!(%http, %journal, "indexer runs");
    let start = Start {
        config,
        client,
        journal,
        index,
        lock,
    };
    start.run(listener, &shutdown).await
}

/// Chooses the aggregator to follow: the configured one, else the first one of the network file.
fn source_of(config: &Config, view: &View) -> Result<PublicKey, RunError> {
    let mut aggregators = view.aggregators().map(|aggregator| aggregator.key);
    match config.aggregator_key() {
        Some(key) if aggregators.any(|known| known == key) => Ok(key),
        Some(key) => Err(RunError::UnknownAggregator(key)),
        None => aggregators
            .next()
            .ok_or_else(|| RunError::NoAggregator(config.network.clone())),
    }
}

/// Chooses the address to listen on: the configured one, else the one in the network file, else the default.
fn address(config: &Config, view: &View, key: &PublicKey) -> Result<SocketAddr, ListenError> {
    let announced = view.member(key).map(|own| own.addresses.http.as_str());
    let announced = announced.unwrap_or_default();
    let default = announced.is_empty().then_some(HTTP_DEFAULT);
    choose("listen.http", config.listen.http.or(default), announced)
}

/// Makes the client for the aggregator, and for the peers that hold absent records.
fn client(
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

/// The parts of an indexer, read, checked and opened.
struct Start {
    config: Config,
    client: Client,
    journal: PublicKey,
    index: Index,
    lock: Lock,
}

impl Start {
    /// Starts all tasks, and runs until `shutdown` or the end of the first task.
    async fn run(
        self,
        listener: TcpListener,
        shutdown: &CancellationToken,
    ) -> Result<(), RunError> {
        let mut process = Process::new("indexer", shutdown);
        let mut registry = registry();
        let metrics = IndexerMetrics::register(&mut registry);
        let feed = Feed::default();
        let committed = self.index.snapshot().state.cursors.last(&self.journal);
        let (driver, controls) = Driver::new(self.index, feed.clone(), metrics.clone());
        let Controls {
            commands,
            fetches,
            snapshots,
        } = controls;
        let lock = self.lock;
        let work = move || {
            // Held by this thread, so that no other process opens the index while the thread may still write.
            let _lock = lock;
            driver.run()
        };
        // The driver needs no signal: it makes a last commit and ends when all senders of commands are dropped.
        let stop = async {};
        process
            .spawn_thread(Stage::Core, "driver", work, stop)
            .map_err(RunError::Thread)?;

        let (status, source) = watch::channel(SourceStatus::default());
        let shortage = status.clone();
        let report = move |found| space::tell(&shortage, found, |status| &mut status.shortage);
        let (data, reserve_mib) = (self.config.data, self.config.index.reserve_mib);
        let watching = space::watch(data, "index.reserve_mib", reserve_mib, report);
        process.spawn_dropped(Stage::Inside, "space", watching);
        let following = Source {
            client: self.client.clone(),
            journal: self.journal,
            commands: commands.clone(),
            status,
            metrics: metrics.clone(),
        };
        let following = following.follow(committed);
        process.spawn_dropped(Stage::Inside, "following the source", following);
        let fetching = fetch(self.client.clone(), fetches, commands);
        process.spawn_dropped(Stage::Inside, "fetching records", fetching);

        let app = App::new(Parts {
            snapshots,
            source,
            feed,
            ring: RingCache::new(self.client),
            metrics,
            registry: Arc::new(registry),
            shutdown: process.stop_of(Stage::Doors),
        });
        process.serve_pages(listener, app.router());
        process.spawn_dropped(Stage::Inside, "tending searches", async move {
            app.tend().await
        });
        Ok(process.until_stopped().await?)
    }
}
