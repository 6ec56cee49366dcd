//! A running peer: its parts, each a task that somebody waits for, and the order in which they end.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use kittengrad_journal::Tip;
use kittengrad_node_core::{Input, PeerConfig, Status, Timing};
use kittengrad_overlay::view::View;
use kittengrad_pki::{credentials::Credentials, transport::Transport};
use kittengrad_proto::{
    certificate::{Role, Root},
    id::PublicKey,
    identity::Identity,
    limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, SUBMIT_BYTES_MAX},
    signed::Ed25519,
    wire::{routing_server::RoutingServer, store_server::StoreServer},
};
use kittengrad_service::{
    clock,
    http::{self, NotReady, Pages},
    journal::{JournalParts, JournalService},
    metrics::ServiceMetrics,
    reflection::{self, Health},
    serve::serve,
    tls::Door,
    views::Views,
};
use kittengrad_store::{RocksStore, free_bytes};
use prometheus_client::registry::Registry;
use quinn::Endpoint;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, Shown},
    failure::RunError,
    grpc::{Parts, PeerService},
    link::{self, LinkContext},
    metrics::PeerMetrics,
    show,
    sockets::Sockets,
    verify::Verifying,
};

/// How often the core hears that time went by.
const TICK: Duration = Duration::from_millis(200);
/// How often the free disk is looked at, in ticks.
const SPACE_TICKS: u32 = 5;

/// What a peer is made of, read, checked, bound and opened.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) root: Root,
    pub(crate) view: Arc<View>,
    pub(crate) credentials: Credentials,
    pub(crate) identity: Identity,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) sockets: Sockets,
}

/// A peer whose parts are being started; each part is a task that one of the sets owns.
pub(crate) struct Running {
    /// What clients reach.
    doors: JoinSet<Result<(), RunError>>,
    /// What they need to be answered: driver, links, time.
    tasks: JoinSet<Result<(), RunError>>,
    /// Closes the doors.
    shutdown: CancellationToken,
    /// Ends the rest, once everybody inside was answered.
    empty: CancellationToken,
}

impl Running {
    /// Starts everything, and waits until it ended.
    pub(crate) async fn start(
        prepared: Prepared,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let Prepared {
            config,
            root,
            view,
            credentials,
            identity,
            store,
            sockets,
        } = prepared;
        let me = identity.key;
        let overlay = view.overlay().clone();
        // Nobody joins or leaves yet, so that nothing is sent after the first view.
        let (_newest, views) = watch::channel(Arc::clone(&view));
        let views = Views::new(views);
        let mut registry = Registry::with_prefix("kittengrad");
        let metrics = PeerMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let verifying = Verifying::new(views.clone(), root.clone(), Arc::clone(&store))
            .map_err(|error| RunError::Thread(io::Error::other(error)))?;
        let verifying = Arc::new(verifying);

        let core = PeerConfig {
            view: Arc::clone(&view),
            identity,
            signer: Arc::new(credentials.key().clone()),
            verifier: Arc::new(Ed25519),
            timing: timing(&config),
        };
        let (driver, tip, status) = driver(core, views.clone(), &store, received, metrics.clone())?;
        let mut running = Self {
            doors: JoinSet::new(),
            tasks: JoinSet::new(),
            shutdown,
            empty: CancellationToken::new(),
        };
        running.drive(driver)?;
        running.tick(&config, commands.clone());

        let context = Arc::new(LinkContext {
            me,
            overlay: overlay.clone(),
            views: views.clone(),
            root,
            commands: commands.clone(),
            verifying: Arc::clone(&verifying),
            metrics,
            connections: AtomicU64::new(0),
        });
        running.link(&sockets.quic, &view, &context);
        running.renew(sockets.transport, credentials.clone());

        let service = PeerService::new(Parts {
            me,
            overlay: overlay.clone(),
            views: views.clone(),
            store: Arc::clone(&store),
            verifying,
            commands: commands.clone(),
            status: status.clone(),
        });
        let journal = JournalService::new(JournalParts {
            overlay,
            store,
            tip,
            signer: Arc::new(credentials.key().clone()),
            chain: credentials.chain().clone(),
            shutdown: running.shutdown.clone(),
            metrics: service_metrics.clone(),
        });
        let ready = status.clone();
        let not_ready: NotReady = Arc::new(move || show::not_ready(&ready.borrow()));
        let health = running
            .serve(sockets.grpc, credentials, service, journal, service_metrics)
            .await?;
        running.health(health, Arc::clone(&not_ready));
        running.pages(sockets.http, registry, me, views, not_ready, status);
        running.until_stopped(commands).await
    }

    /// The driver, on a thread of its own.
    fn drive(&mut self, driver: Driver) -> Result<(), RunError> {
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("driver".to_owned())
            .spawn(move || {
                // Nobody listens any more when the process is being torn down.
                let _ = done.send(driver.run());
            })
            .map_err(RunError::Thread)?;
        self.tasks.spawn(async move {
            match ended.await {
                Ok(ended) => Ok(ended?),
                Err(_) => Err(RunError::Task("the driver panicked".to_owned())),
            }
        });
        Ok(())
    }

    /// Tells the core that time goes by, and whether there is room on the disk.
    fn tick(&mut self, config: &Config, commands: mpsc::Sender<Command>) {
        let (data, reserve_bytes) = (config.data.clone(), config.store.reserve_mib * 1024 * 1024);
        let shutdown = self.empty.clone();
        self.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for count in 0_u32.. {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    _ = ticks.tick() => {}
                }
                if commands.send(Command::Input(Input::Tick)).await.is_err() {
                    break;
                }
                if count.is_multiple_of(SPACE_TICKS) {
                    let has_space = free_bytes(&data).is_ok_and(|free| free >= reserve_bytes);
                    let _ = commands.send(Command::Input(Input::Space(has_space))).await;
                }
            }
            Ok(())
        });
    }

    /// Accepts partners and dials those with a larger key.
    fn link(&mut self, endpoint: &Endpoint, view: &View, context: &Arc<LinkContext>) {
        let accepting = link::accept(endpoint.clone(), Arc::clone(context), self.empty.clone());
        self.tasks.spawn(async move {
            accepting.await;
            Ok(())
        });
        let partners = view.partners().into_iter();
        for partner in partners.filter(|partner| *partner > context.me) {
            let Some(identity) = view.member(&partner) else {
                continue;
            };
            let address = identity.addresses.quic.clone();
            let dialling = link::dial(
                endpoint.clone(),
                partner,
                address,
                Arc::clone(context),
                self.empty.clone(),
            );
            self.tasks.spawn(async move {
                dialling.await;
                Ok(())
            });
        }
    }

    /// Shows partners a fresh certificate before the last one ends.
    fn renew(&mut self, transport: Arc<Transport>, credentials: Credentials) {
        let shutdown = self.empty.clone();
        self.tasks.spawn(async move {
            loop {
                let left_ms = transport.renew_at_ms().saturating_sub(clock::unix_ms());
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    // At least a minute, in case that renewing fails.
                    () = tokio::time::sleep(Duration::from_millis(left_ms.max(60_000))) => {}
                }
                if let Err(error) = transport.renew(&credentials, clock::unix_ms()) {
                    tracing::error!(%error, "the transport certificate cannot be renewed");
                }
            }
        });
    }

    async fn serve(
        &mut self,
        listener: TcpListener,
        credentials: Credentials,
        service: PeerService,
        journal: JournalService,
        metrics: ServiceMetrics,
    ) -> Result<Health, RunError> {
        let door = Arc::new(Door::new(credentials, |role| role != Role::Registrar)?);
        let store = StoreServer::new(service.clone())
            .max_decoding_message_size(SUBMIT_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let journal = journal.server();
        let routing = RoutingServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
        let routes = Routes::new(store).add_service(routing).add_service(journal);
        let names = [
            "kittengrad.v1.Store",
            "kittengrad.v1.Routing",
            "kittengrad.v1.Journal",
        ];
        let (routes, health) = reflection::describe(routes, &names).await?;
        let serving = serve(listener, door, routes, metrics, self.shutdown.clone());
        self.doors.spawn(async move { Ok(serving.await?) });
        Ok(health)
    }

    /// Says over gRPC too whether the peer is ready.
    fn health(&mut self, health: Health, not_ready: NotReady) {
        let following = health.follow(not_ready, self.shutdown.clone());
        self.doors.spawn(async move {
            following.await;
            Ok(())
        });
    }

    fn pages(
        &mut self,
        listener: TcpListener,
        registry: Registry,
        me: PublicKey,
        views: Views,
        not_ready: NotReady,
        status: watch::Receiver<Status>,
    ) {
        let pages = Pages {
            registry: Arc::new(registry),
            not_ready,
            status: Arc::new(move || show::status_page(me, &views.now(), &status.borrow())),
        };
        let serving = http::serve(listener, http::router(pages), self.shutdown.clone());
        self.doors.spawn(async move { Ok(serving.await?) });
    }

    /// Waits for the end, and lets everything finish in order: first the calls that are inside, the driver last.
    async fn until_stopped(mut self, commands: mpsc::Sender<Command>) -> Result<(), RunError> {
        let ended = tokio::select! {
            () = self.shutdown.cancelled() => Ok(()),
            Some(ended) = self.doors.join_next() => outcome(ended),
            Some(ended) = self.tasks.join_next() => outcome(ended),
        };
        self.shutdown.cancel();
        let doors = all(&mut self.doors).await;
        self.empty.cancel();
        let _ = commands.send(Command::Stop).await;
        drop(commands);
        let tasks = all(&mut self.tasks).await;
        ended.and(doors).and(tasks)
    }
}

/// How a part ended.
fn outcome(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    ended.unwrap_or_else(|panic| Err(RunError::Task(panic.to_string())))
}

/// Waits for all parts, and says what was wrong with the first that failed.
async fn all(parts: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
    let mut all = Ok(());
    while let Some(ended) = parts.join_next().await {
        let ended = outcome(ended);
        all = all.and(ended);
    }
    all
}

fn timing(config: &Config) -> Timing {
    Timing {
        ack_ms: config.timing.ack_ms,
        suspicion_ms: config.timing.suspicion_ms,
        ..Timing::default()
    }
}

type DriverParts = (
    Driver,
    watch::Receiver<Option<Tip>>,
    watch::Receiver<Status>,
);

fn driver(
    core: PeerConfig,
    views: Views,
    store: &Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    metrics: PeerMetrics,
) -> Result<DriverParts, RunError> {
    let (tip, tip_shown) = watch::channel(None);
    let mut status_shown = None;
    let shown = |initial: Status| {
        let (status, receiver) = watch::channel(initial);
        status_shown = Some(receiver);
        Shown { tip, status }
    };
    let driver = Driver::new(core, views, Arc::clone(store), commands, shown, metrics)?;
    let status = status_shown.ok_or_else(|| RunError::Task("no status".to_owned()))?;
    Ok((driver, tip_shown, status))
}
