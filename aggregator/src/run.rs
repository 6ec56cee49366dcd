//! Running an aggregator: reads its files, starts its tasks, serves until shutdown and closes its store.

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_aggregator_core::{Config as CoreConfig, Input, Timing};
use kittengrad_client::{Client, config::Timeouts};
use kittengrad_overlay::{file::NetworkFile, view::View};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::{Role, Root},
    identity::Addresses,
    signed::Ed25519,
};
use kittengrad_service::{
    aside, closing, credentials,
    handshakes::{GRPC, Handshakes},
    http::{self, NotReady, Pages},
    journal::{JournalParts, JournalService},
    listen::{choose, listen},
    metrics::{ServiceMetrics, registry},
    process::{Process, Stage, routes},
    space,
    tls::Door,
    views::Views,
};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, quarantine};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

pub use crate::failure::RunError;
use crate::{
    ask,
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, FETCHES_MAX, Outlets, Seen},
    fetch,
    grpc::{AggregatorService, Parts},
    metrics::AggregatorMetrics,
    plans::{self, Followers},
    readers::Readers,
    show::{self, StatusAt},
};

/// Interval between the ticks of the core.
const TICK: Duration = Duration::from_millis(200);
/// Milliseconds without a frame after which a source is called again. A source sends a frame every second.
const SILENCE_MS: u64 = 5_000;

/// Addresses of a running aggregator.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// Address for gRPC.
    pub grpc: SocketAddr,
    /// Address for HTTP.
    pub http: SocketAddr,
}

/// Runs an aggregator until `shutdown`. `listening` gets its addresses once both are bound and the store is open.
///
/// # Errors
/// If it cannot start, or one of its tasks ends. The process should then end and be restarted.
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
    let owner = Owner {
        overlay: view.overlay().clone(),
        key: own,
    };
    let store = Arc::new(open_store(&config, &owner)?);
    // The caller may have dropped the receiver.
    let _ = listening.send(sockets.listening);
    let data = config.data.clone();
    let start = Start {
        config,
        root: network.root().clone(),
        view,
        credentials,
        store: Arc::clone(&store),
    };
    let ended = start.run(sockets, &shutdown).await;
    closing::close(store).await;
    if ended.as_ref().is_err_and(RunError::is_damage) {
        aside::put_aside(|| quarantine(&data));
    }
    ended
}

/// Opens the store. A damaged store is put aside: the sources have everything that it held.
fn open_store(config: &Config, owner: &Owner) -> Result<RocksStore, OpenError> {
    let options = Options {
        cache_bytes_max: config.store.cache_bytes(),
        write_buffer_bytes_max: config.store.write_buffer_bytes(),
        ..Options::default()
    };
    aside::open_or_put_aside(
        || RocksStore::open(&config.data, owner, &options),
        |error| matches!(error, OpenError::Damaged { .. }),
        || quarantine(&config.data),
        "the aggregator starts a new journal and reads its sources again",
    )
}

/// The listening sockets. They are bound before the store is opened, so that a second process with the same
/// configuration fails before it touches the store.
struct Sockets {
    grpc: TcpListener,
    http: TcpListener,
    listening: Listening,
}

impl Sockets {
    async fn bind(config: &Config, announced: &Addresses) -> Result<Self, RunError> {
        let grpc = choose("listen.grpc", config.listen.grpc, &announced.grpc)?;
        let http = choose("listen.http", config.listen.http, &announced.http)?;
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

/// The inputs of a start: read, checked and opened.
struct Start {
    config: Config,
    root: Root,
    view: View,
    credentials: Credentials,
    store: Arc<RocksStore>,
}

impl Start {
    /// Starts all tasks, and runs until `shutdown` or until the first task ends.
    async fn run(self, sockets: Sockets, shutdown: &CancellationToken) -> Result<(), RunError> {
        let mut process = Process::new("aggregator", shutdown);
        let client = self.client()?;
        let views = Views::new(client.views());
        let mut registry = registry();
        let metrics = AggregatorMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);

        let tolerate = self.config.tolerate;
        let started = Instant::now();
        let (networks, network) = watch::channel(plans::network(&self.view, tolerate));
        let readers = Readers::default();
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (fetches, wanted) = mpsc::channel(FETCHES_MAX);
        let outlets = Outlets {
            fetches,
            readers: readers.clone(),
            metrics,
        };
        let store = Arc::clone(&self.store);
        let (driver, seen) = Driver::new(
            self.core(),
            store,
            received,
            network.clone(),
            outlets,
            started,
        )?;
        let to_driver = commands.clone();
        let stop = async move {
            // The driver may have ended already: it can be the task that failed.
            let _ = to_driver.send(Command::Stop).await;
        };
        process
            .spawn_thread(Stage::Core, "driver", move || driver.run(), stop)
            .map_err(RunError::Thread)?;
        process.spawn_dropped(Stage::Inside, "clock", tick(commands.clone()));
        let shortage = self.look_for_space(&mut process, commands.clone());

        let watching = plans::watch_ring(views.clone(), tolerate, networks);
        process.spawn_dropped(Stage::Inside, "watching the ring", watching);
        let asking = ask::run(client.clone(), network, commands.clone(), started);
        process.spawn_dropped(Stage::Inside, "asking for heads", asking);
        let followers = Followers {
            client: client.clone(),
            commands: commands.clone(),
            plans: seen.plans.clone(),
            readers,
            shortage: shortage.clone(),
            own_head: seen.own_head.clone(),
            stop: process.stop_of(Stage::Inside),
        };
        process.spawn(Stage::Inside, "following sources", followers.run());
        let fetching = fetch::run(client, wanted, commands.clone());
        process.spawn_dropped(Stage::Inside, "fetching records", fetching);

        let not_ready = not_ready(seen.view.clone(), shortage);
        let (own, overlay) = (self.credentials.holder().key, self.view.overlay().clone());
        let shown = seen.view.clone();
        let pages = Pages {
            registry: Arc::new(registry),
            not_ready: Arc::clone(&not_ready),
            status: Arc::new(move || {
                let shown = Arc::clone(&shown.borrow());
                show::status_page(own, &overlay, &shown.as_of(Instant::now()))
            }),
        };
        process.serve_pages(sockets.http, http::router(pages));
        let service = AggregatorService::new(Parts {
            own,
            overlay: self.view.overlay().clone(),
            views,
            store: Arc::clone(&self.store),
            tip: seen.tip.clone(),
            view: seen.view.clone(),
        });
        let journal = self.journal(&process, seen, service_metrics.clone(), commands);
        let routes = routes(service, journal).await?;
        let handshakes = Handshakes::new(self.credentials, &[GRPC])?;
        let door = Door::new(&handshakes, |role| role != Role::Registrar);
        let renewing = async move { handshakes.keep_fresh().await };
        process.spawn_dropped(Stage::Inside, "certificates", renewing);
        process.serve_grpc(sockets.grpc, door, routes, not_ready, service_metrics);
        Ok(process.until_stopped().await?)
    }

    /// Makes the client that calls the sources and the peers.
    fn client(&self) -> Result<Client, RunError> {
        let timeouts = Timeouts {
            silence_ms: SILENCE_MS,
            ..Timeouts::default()
        };
        let (root, view) = (self.root.clone(), self.view.clone());
        let client = Client::new(root, view, self.credentials.clone(), Vec::new(), timeouts);
        Ok(client?)
    }

    fn core(&self) -> CoreConfig {
        CoreConfig {
            overlay: self.view.overlay().clone(),
            signer: Arc::new(self.credentials.key().clone()),
            verifier: Arc::new(Ed25519),
            timing: Timing {
                fresh_ms: self.config.timing.fresh_ms,
            },
        }
    }

    /// Watches the free space of the disk, and tells the core. The receiver has the shortage, or `None` while there is
    /// room.
    fn look_for_space(
        &self,
        process: &mut Process,
        commands: mpsc::Sender<Command>,
    ) -> watch::Receiver<Option<String>> {
        let (shortage, shortages) = watch::channel(None);
        let report = move |found| space::tell(&shortage, found, |shortage| shortage);
        let (data, reserve_mib) = (self.config.data.clone(), self.config.store.reserve_mib);
        let looking = space::watch(data, "store.reserve_mib", reserve_mib, report);
        process.spawn_dropped(Stage::Inside, "space", looking);
        let telling = tell_of_space(shortages.clone(), commands);
        process.spawn_dropped(Stage::Inside, "telling of space", telling);
        shortages
    }

    fn journal(
        &self,
        process: &Process,
        seen: Seen,
        metrics: ServiceMetrics,
        commands: mpsc::Sender<Command>,
    ) -> JournalService {
        let evidence = move |by, evidence| {
            let evidence = Box::new(evidence);
            // A queue that is full loses it. The caller that broke the rule is still refused and counted.
            let _ = commands.try_send(Command::Input(Input::Evidence { by, evidence }));
        };
        JournalService::new(JournalParts {
            overlay: self.view.overlay().clone(),
            store: self.store.clone(),
            tip: seen.tip,
            statements: seen.statement,
            times: seen.times,
            signer: Arc::new(self.credentials.key().clone()),
            chain: self.credentials.chain().clone(),
            shutdown: process.stop_of(Stage::Doors),
            metrics,
            evidence: Arc::new(evidence),
        })
    }
}

/// Sends a tick to the driver every [`TICK`], until the driver ends.
async fn tick(commands: mpsc::Sender<Command>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if commands.send(Command::Input(Input::Tick)).await.is_err() {
            return;
        }
    }
}

/// Tells the core when a shortage begins and when it ends, until the driver ends.
async fn tell_of_space(
    mut shortage: watch::Receiver<Option<String>>,
    commands: mpsc::Sender<Command>,
) {
    while shortage.changed().await.is_ok() {
        let is_short = shortage.borrow_and_update().is_some();
        let input = Input::Short(is_short);
        if commands.send(Command::Input(input)).await.is_err() {
            return;
        }
    }
}

/// The reasons why the aggregator is not ready, computed at each request. None if it is ready.
fn not_ready(
    views: watch::Receiver<Arc<StatusAt>>,
    shortage: watch::Receiver<Option<String>>,
) -> NotReady {
    Arc::new(move || {
        let shown = Arc::clone(&views.borrow());
        let view = shown.as_of(Instant::now());
        let mut reasons = view.reasons.clone();
        reasons.extend(shortage.borrow().clone());
        if !view.is_ready && reasons.is_empty() {
            reasons.push("starting".to_owned());
        }
        reasons
    })
}
