//! Running an aggregator: from its files to a process that serves, and back to rest.

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use kittengrad_aggregator_core::{Config as CoreConfig, Input, Plan, Timing, View};
use kittengrad_client::{
    Client, ConnectError,
    config::Timeouts,
    network::{Network, NetworkError},
};
use kittengrad_pki::credentials::{Credentials, CredentialsError, Paths};
use kittengrad_proto::{
    certificate::Role,
    id::{Id, PublicKey},
    identity::Addresses,
    limits::MESSAGE_BYTES_MAX,
    signed::Ed25519,
    wire::{
        journal_server::JournalServer, routing_server::RoutingServer, store_server::StoreServer,
    },
};
use kittengrad_service::{
    clock,
    http::{self, HttpError, Pages},
    journal::{JournalParts, JournalService},
    listen::{ListenError, listen},
    metrics::ServiceMetrics,
    reflection::{self, ReflectionError},
    serve::{ServeError, serve},
    tls::{Door, DoorError},
};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, free_bytes, quarantine};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, DriverError, FETCHES_MAX, Outlets},
    fetch,
    follow::Following,
    grpc::{AggregatorService, Parts},
    metrics::AggregatorMetrics,
    show,
};

/// How often the core hears that time went by.
const TICK: Duration = Duration::from_millis(200);
/// How often the free disk is looked at, in ticks.
const SPACE_TICKS: u32 = 5;
/// At the end, reads under way are waited for in steps, up to two seconds.
const CLOSE_TICK: Duration = Duration::from_millis(10);
const CLOSE_TICKS: u32 = 200;
/// A source is asked anew if it says nothing for so long; it says something every second.
const SILENCE_MS: u64 = 5_000;

/// Why an aggregator did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum RunError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The certificates or the key are wrong, or those of another role.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The credentials are of another network than the network file.
    #[error(
        "the credentials in {folder} are of network {found}, the network file is of {expected}: take both from one place"
    )]
    OtherNetwork {
        /// The folder.
        folder: String,
        /// The network of the credentials.
        found: Id,
        /// The network of the network file.
        expected: Id,
    },
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
    let network = Network::load(&config.network)?;
    let credentials = load_credentials(&config, &network)?;
    let own = credentials.holder().key;
    let identity = network.aggregators().find(|identity| identity.key == own);
    let addresses = identity.ok_or(RunError::Stranger(own))?.addresses.clone();
    let sockets = Sockets::bind(&config, &addresses).await?;
    let store = Arc::new(open_store(&config, &network, own)?);
    // Whoever waits for the addresses may have gone away.
    let _ = listening.send(sockets.listening);
    let start = Start {
        config,
        network: Arc::new(network),
        credentials,
        store,
    };
    start.run(sockets, shutdown).await
}

fn load_credentials(config: &Config, network: &Network) -> Result<Credentials, RunError> {
    let paths = Paths::in_dir(&config.credentials);
    let loaded = Credentials::load(&paths, Role::Aggregator, clock::unix_ms())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let (found, expected) = (
        loaded.credentials.root().network(),
        network.overlay().network,
    );
    if found != expected {
        let folder = config.credentials.display().to_string();
        return Err(RunError::OtherNetwork {
            folder,
            found,
            expected,
        });
    }
    Ok(loaded.credentials)
}

/// Opens the store. One that is damaged is put aside: the sources have everything that was in it.
fn open_store(config: &Config, network: &Network, own: PublicKey) -> Result<RocksStore, RunError> {
    let owner = Owner {
        overlay: network.overlay().clone(),
        key: own,
    };
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
struct Sockets {
    grpc: TcpListener,
    http: TcpListener,
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

/// Everything that an aggregator is started from.
struct Start {
    config: Config,
    network: Arc<Network>,
    credentials: Credentials,
    store: Arc<RocksStore>,
}

impl Start {
    async fn run(self, sockets: Sockets, shutdown: CancellationToken) -> Result<(), RunError> {
        let timeouts = Timeouts {
            silence_ms: SILENCE_MS,
            ..Timeouts::default()
        };
        let credentials = self.credentials.clone();
        let client = Client::new((*self.network).clone(), credentials, Vec::new(), timeouts)?;
        let mut registry = Registry::with_prefix("kittengrad");
        let metrics = AggregatorMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);

        let plan = self.plan();
        let followed = plan
            .sources
            .iter()
            .map(|planned| (planned.source, Arc::default()));
        let lies: BTreeMap<PublicKey, Arc<Notify>> = followed.collect();
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (fetches, wanted) = mpsc::channel(FETCHES_MAX);
        let (tip, tips) = watch::channel(None);
        let (view, views) = watch::channel(Arc::new(View::default()));
        let outlets = Outlets {
            tip,
            view,
            fetches,
            lies: lies.clone(),
            metrics,
        };
        let driver = Driver::new(self.core(), Arc::clone(&self.store), received, outlets)?;

        let mut running = Running {
            tasks: JoinSet::new(),
            shutdown,
        };
        running.drive(driver)?;
        // The channel is empty, and its end is in the driver.
        let _ = commands.send(Command::Input(Input::Plan(plan))).await;
        let (shortage, shortages) = watch::channel(None);
        running.tick(&self.config, commands.clone(), shortage);
        running.fetch(client.clone(), wanted, commands.clone());
        for (source, lies) in lies {
            running.follow(
                source,
                client.clone(),
                commands.clone(),
                lies,
                shortages.clone(),
            );
        }
        let pages = self.pages(registry, views.clone(), shortages);
        running.pages(sockets.http, pages);
        let routes = self
            .routes(&running, tips, views, service_metrics.clone())
            .await?;
        running.serve(sockets.grpc, self.credentials, routes, service_metrics)?;
        let ended = running.until_stopped(commands).await;
        close(self.store).await;
        ended
    }

    /// A cover of all peers: in a network with fixed membership all are in the plan, and one that is down is
    /// waited for.
    fn plan(&self) -> Plan {
        Plan::cover(
            self.network.ring(),
            |index| self.network.key_of(index),
            |_| true,
        )
    }

    fn core(&self) -> CoreConfig {
        CoreConfig {
            overlay: self.network.overlay().clone(),
            signer: Arc::new(self.credentials.key().clone()),
            verifier: Arc::new(Ed25519),
            timing: Timing {
                fresh_ms: self.config.timing.fresh_ms,
                record_ms: self.config.timing.record_ms,
                ..Timing::default()
            },
        }
    }

    fn pages(
        &self,
        registry: Registry,
        views: watch::Receiver<Arc<View>>,
        shortage: watch::Receiver<Option<String>>,
    ) -> Pages {
        let (own, overlay) = (
            self.credentials.holder().key,
            self.network.overlay().clone(),
        );
        let ready = views.clone();
        Pages {
            registry: Arc::new(registry),
            not_ready: Arc::new(move || {
                let view = Arc::clone(&ready.borrow());
                let mut reasons = view.reasons.clone();
                reasons.extend(shortage.borrow().clone());
                if !view.is_ready && reasons.is_empty() {
                    reasons.push("starting".to_owned());
                }
                reasons
            }),
            status: Arc::new(move || {
                show::status_page(own, &overlay, &Arc::clone(&views.borrow()))
            }),
        }
    }

    async fn routes(
        &self,
        running: &Running,
        tip: watch::Receiver<Option<kittengrad_journal::Tip>>,
        view: watch::Receiver<Arc<View>>,
        metrics: ServiceMetrics,
    ) -> Result<Routes, RunError> {
        let store = Arc::clone(&self.store);
        let journal = JournalService::new(JournalParts {
            overlay: self.network.overlay().clone(),
            store: Arc::clone(&store) as Arc<dyn kittengrad_journal::Store>,
            tip: tip.clone(),
            signer: Arc::new(self.credentials.key().clone()),
            chain: self.credentials.chain().clone(),
            shutdown: running.shutdown.clone(),
            metrics,
        });
        let own = self.credentials.holder().key;
        let network = Arc::clone(&self.network);
        let service = AggregatorService::new(Parts {
            own,
            network,
            store,
            tip,
            view,
        });
        let lookups = StoreServer::new(service.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let journal = JournalServer::new(journal).max_encoding_message_size(MESSAGE_BYTES_MAX);
        let routes = Routes::new(lookups)
            .add_service(RoutingServer::new(service))
            .add_service(journal);
        let names = [
            "kittengrad.v1.Store",
            "kittengrad.v1.Routing",
            "kittengrad.v1.Journal",
        ];
        Ok(reflection::describe(routes, &names).await?)
    }
}

/// Why nothing more is to be read, if the disk is nearly full.
fn shortage_of(data: &Path, reserve_mib: u64) -> Option<String> {
    let free_mib = free_bytes(data).ok()? / (1024 * 1024);
    (free_mib < reserve_mib).then(|| {
        format!(
            "{free_mib} MiB of disk are free, `store.reserve_mib` wants {reserve_mib}: \
             nothing is read from sources until there is room"
        )
    })
}

/// Waits until nobody reads the store any more, so that its directory is free when the aggregator has ended.
async fn close(store: Arc<RocksStore>) {
    for _ in 0..CLOSE_TICKS {
        if Arc::strong_count(&store) == 1 {
            break;
        }
        sleep(CLOSE_TICK).await;
    }
}

/// An aggregator whose parts run; each is a task that the set owns.
struct Running {
    tasks: JoinSet<Result<(), RunError>>,
    shutdown: CancellationToken,
}

impl Running {
    /// The driver, on a thread of its own.
    fn drive(&mut self, driver: Driver) -> Result<(), RunError> {
        let (done, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("driver".to_owned());
        let run = move || {
            // Nobody listens any more when the process is being torn down.
            let _ = done.send(driver.run());
        };
        thread.spawn(run).map_err(RunError::Thread)?;
        self.tasks.spawn(async move {
            match ended.await {
                Ok(ended) => Ok(ended?),
                Err(_) => Err(RunError::Task("the driver panicked".to_owned())),
            }
        });
        Ok(())
    }

    /// Tells the core that time goes by, and followers whether there is room on the disk.
    fn tick(
        &mut self,
        config: &Config,
        commands: mpsc::Sender<Command>,
        shortage: watch::Sender<Option<String>>,
    ) {
        let (data, reserve_mib) = (config.data.clone(), config.store.reserve_mib);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for count in 0_u32.. {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                if commands.send(Command::Input(Input::Tick)).await.is_err() {
                    break;
                }
                if count.is_multiple_of(SPACE_TICKS) {
                    let now = shortage_of(&data, reserve_mib);
                    shortage.send_if_modified(|before| {
                        let has_changed = before.is_some() != now.is_some();
                        if let Some(why) = now.as_ref().filter(|_| has_changed) {
                            tracing::error!("{why}");
                        }
                        *before = now;
                        has_changed
                    });
                }
            }
            Ok(())
        });
    }

    fn fetch(
        &mut self,
        client: Client,
        wanted: mpsc::Receiver<kittengrad_aggregator_core::Fetch>,
        commands: mpsc::Sender<Command>,
    ) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = fetch::run(client, wanted, commands) => {}
            }
            Ok(())
        });
    }

    fn follow(
        &mut self,
        source: PublicKey,
        client: Client,
        commands: mpsc::Sender<Command>,
        lies: Arc<Notify>,
        shortage: watch::Receiver<Option<String>>,
    ) {
        let shutdown = self.shutdown.clone();
        let following = Following {
            source,
            client,
            commands,
            lies,
            shortage,
            shutdown,
        };
        self.tasks.spawn(async move {
            following.run().await;
            Ok(())
        });
    }

    fn pages(&mut self, listener: TcpListener, pages: Pages) {
        let serving = http::serve(listener, http::router(pages), self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
    }

    fn serve(
        &mut self,
        listener: TcpListener,
        credentials: Credentials,
        routes: Routes,
        metrics: ServiceMetrics,
    ) -> Result<(), RunError> {
        let door = Arc::new(Door::new(credentials, |role| role != Role::Registrar)?);
        let serving = serve(listener, door, routes, metrics, self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
        Ok(())
    }

    /// Waits for the end, and lets everything finish in order: the driver goes last.
    async fn until_stopped(mut self, commands: mpsc::Sender<Command>) -> Result<(), RunError> {
        let mut first_error = None;
        while first_error.is_none() {
            let ended = tokio::select! {
                () = self.shutdown.cancelled() => break,
                ended = self.tasks.join_next() => ended,
            };
            match ended {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => first_error = Some(error),
                Some(Err(panic)) => first_error = Some(RunError::Task(panic.to_string())),
                None => break,
            }
        }
        self.shutdown.cancel();
        // The driver may be the one that failed.
        let _ = commands.send(Command::Stop).await;
        drop(commands);
        while let Some(ended) = self.tasks.join_next().await {
            if let (None, Ok(Err(error))) = (&first_error, ended) {
                first_error = Some(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}
