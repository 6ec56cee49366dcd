//! Running a peer: reading its files, serving, and stopping.

use std::{
    fs, io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use kittengrad_node_core::{Input, PeerConfig, Timing};
use kittengrad_overlay::{file::NetworkFile, view::View};
use kittengrad_proto::{
    certificate::{Role, Root},
    identity::{Addresses, Identity},
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
use quinn::Endpoint;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

pub use crate::failure::RunError;
use crate::{
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, Seen},
    grpc::{Parts, PeerService},
    identity,
    link::{self, LinkContext},
    metrics::PeerMetrics,
    show,
    verify::Verifying,
};

/// The time between two ticks of the core.
const TICK: Duration = Duration::from_millis(200);

/// The addresses that a running peer listens on.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// gRPC.
    pub grpc: SocketAddr,
    /// QUIC.
    pub quic: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// Runs a peer until `shutdown`. Sends its addresses to `listening` once all of them are bound.
///
/// # Errors
/// If it cannot start, or one of its tasks ends. The process should then end and be restarted.
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
    let handshakes = Handshakes::new(credentials, &[GRPC, link::PROTOCOL])?;
    let sockets = Sockets::bind(&config, &identity.addresses, &handshakes).await?;
    let owner = Owner {
        overlay: view.overlay().clone(),
        key: identity.key,
    };
    let store = Arc::new(open_store(&config, &owner)?);
    // The receiver of the addresses may have been dropped.
    let _ = listening.send(sockets.listening);
    let data = config.data.clone();
    let start = Start {
        config,
        root,
        view: Arc::new(view),
        handshakes,
        identity,
        store: Arc::clone(&store),
    };
    let ended = start.run(sockets, &shutdown).await;
    closing::close(store).await;
    if ended.as_ref().is_err_and(RunError::is_damage) {
        aside::put_aside(|| quarantine(&data));
    }
    ended
}

/// Opens the store. A damaged store is put aside, because the partners have all acknowledged data.
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
        "the partners fill a new one",
    )
}

/// The listening sockets. They are bound before the store is opened, so that a second process fails before it opens it.
struct Sockets {
    grpc: TcpListener,
    http: TcpListener,
    quic: Endpoint,
    listening: Listening,
}

impl Sockets {
    async fn bind(
        config: &Config,
        announced: &Addresses,
        handshakes: &Handshakes,
    ) -> Result<Self, RunError> {
        let configured = &config.listen;
        let grpc = choose("listen.grpc", configured.grpc, &announced.grpc)?;
        let quic = choose("listen.quic", configured.quic, &announced.quic)?;
        let http = choose("listen.http", configured.http, &announced.http)?;
        let grpc_listener = listen(grpc, "listen.grpc").await?;
        let http_listener = listen(http, "listen.http").await?;
        let endpoint = link::bind(quic, handshakes)?;
        let listening = Listening {
            grpc: grpc_listener.local_addr().unwrap_or(grpc),
            quic: endpoint.local_addr().unwrap_or(quic),
            http: http_listener.local_addr().unwrap_or(http),
        };
        Ok(Self {
            grpc: grpc_listener,
            http: http_listener,
            quic: endpoint,
            listening,
        })
    }
}

/// The parts that a peer starts from, already read, checked and opened.
struct Start {
    config: Config,
    root: Root,
    view: Arc<View>,
    handshakes: Handshakes,
    identity: Identity,
    store: Arc<RocksStore>,
}

impl Start {
    /// Starts all tasks, and runs until `shutdown` or until a task ends.
    async fn run(self, sockets: Sockets, shutdown: &CancellationToken) -> Result<(), RunError> {
        let mut process = Process::new("peer", shutdown);
        // The ring is fixed for now, so no view follows the first one.
        let (_newest, views) = watch::channel(Arc::clone(&self.view));
        let views = Views::new(views);
        let mut registry = registry();
        let metrics = PeerMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);
        let verifying = Verifying::new(views.clone(), self.root.clone(), Arc::clone(&self.store))
            .map_err(|error| RunError::Thread(io::Error::other(error)))?;
        let verifying = Arc::new(verifying);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);

        let (driver, seen) = Driver::new(
            self.core(),
            views.clone(),
            Arc::clone(&self.store),
            received,
            metrics.clone(),
        )?;
        let to_driver = commands.clone();
        let stop = async move {
            // The driver may have ended already.
            let _ = to_driver.send(Command::Stop).await;
        };
        process
            .spawn_thread(Stage::Core, "driver", move || driver.run(), stop)
            .map_err(RunError::Thread)?;
        self.tell_time(&mut process, commands.clone());

        let context = Arc::new(LinkContext {
            me: self.identity.key,
            overlay: self.view.overlay().clone(),
            views: views.clone(),
            root: self.root.clone(),
            commands: commands.clone(),
            tls: self.handshakes.configs(link::PROTOCOL),
            verifying: Arc::clone(&verifying),
            metrics,
            connections: AtomicU64::new(0),
        });
        let stop = process.stop_of(Stage::Inside);
        let accepting = link::accept(sockets.quic.clone(), Arc::clone(&context), stop);
        process.spawn(Stage::Inside, "accepting links", accepting);
        let showing = link::follow_tls(sockets.quic.clone(), context.tls.clone());
        process.spawn_dropped(Stage::Inside, "TLS of links", showing);
        let dialling = link::dial(sockets.quic, context);
        process.spawn_dropped(Stage::Inside, "dialling links", dialling);

        let status = seen.status.clone();
        let not_ready: NotReady = Arc::new(move || show::not_ready(&status.borrow()));
        let (me, status, shown) = (self.identity.key, seen.status.clone(), views.clone());
        let pages = Pages {
            registry: Arc::new(registry),
            not_ready: Arc::clone(&not_ready),
            status: Arc::new(move || show::status_page(me, &shown.now(), &status.borrow())),
        };
        process.serve_pages(sockets.http, http::router(pages));
        let service = PeerService::new(Parts {
            me,
            overlay: self.view.overlay().clone(),
            views,
            store: Arc::clone(&self.store),
            verifying,
            commands: commands.clone(),
            status: seen.status.clone(),
        });
        let journal = self.journal(&process, seen, service_metrics.clone(), commands);
        let routes = routes(service, journal).await?;
        let handshakes = self.handshakes;
        let door = Door::new(&handshakes, |role| role != Role::Registrar);
        let renewing = async move { handshakes.keep_fresh().await };
        process.spawn_dropped(Stage::Inside, "certificates", renewing);
        process.serve_grpc(sockets.grpc, door, routes, not_ready, service_metrics);
        Ok(process.until_stopped().await?)
    }

    fn core(&self) -> PeerConfig {
        PeerConfig {
            view: Arc::clone(&self.view),
            identity: self.identity.clone(),
            signer: Arc::new(self.handshakes.credentials().key().clone()),
            verifier: Arc::new(Ed25519),
            timing: Timing {
                ack_ms: self.config.timing.ack_ms,
                suspicion_ms: self.config.timing.suspicion_ms,
                ..Timing::default()
            },
        }
    }

    /// Starts the tasks that send ticks to the core, and whether the disk has space.
    fn tell_time(&self, process: &mut Process, commands: mpsc::Sender<Command>) {
        let (found, has_space) = watch::channel(true);
        let told = move |shortage: Option<String>| {
            found.send_replace(shortage.is_none());
        };
        let (data, reserve_mib) = (self.config.data.clone(), self.config.store.reserve_mib);
        let looking = space::watch(data, "store.reserve_mib", reserve_mib, told);
        process.spawn_dropped(Stage::Inside, "space", looking);
        process.spawn_dropped(Stage::Inside, "clock", tick(commands, has_space));
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
            let _ = commands.try_send(Command::input(Input::Evidence { by, evidence }));
        };
        JournalService::new(JournalParts {
            overlay: self.view.overlay().clone(),
            store: self.store.clone(),
            tip: seen.tip,
            statements: seen.statement,
            times: seen.times,
            signer: Arc::new(self.handshakes.credentials().key().clone()),
            chain: self.handshakes.credentials().chain().clone(),
            shutdown: process.stop_of(Stage::Doors),
            metrics,
            evidence: Arc::new(evidence),
        })
    }
}

/// Sends ticks and changes of the disk space until the driver ends.
async fn tick(commands: mpsc::Sender<Command>, mut has_space: watch::Receiver<bool>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let input = tokio::select! {
            _ = ticks.tick() => Input::Tick,
            Ok(()) = has_space.changed() => Input::Space(*has_space.borrow_and_update()),
        };
        if commands.send(Command::input(input)).await.is_err() {
            return;
        }
    }
}
