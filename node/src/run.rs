//! Running a peer: from its files to a process that serves, and back to rest.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use kittengrad_client::network::Network;
use kittengrad_journal::Tip;
use kittengrad_node_core::{Input, Membership, MembershipError, PeerConfig, Status, Timing};
use kittengrad_pki::{
    credentials::{Credentials, Paths},
    transport::Transport,
};
use kittengrad_proto::{
    certificate::Role,
    id::PublicKey,
    identity::{Addresses, Identity},
    limits::MESSAGE_BYTES_MAX,
    signed::Ed25519,
    wire::{
        journal_server::JournalServer, routing_server::RoutingServer, store_server::StoreServer,
    },
};
use kittengrad_ring::Replicas;
use kittengrad_service::{
    clock,
    http::{self, Pages},
    journal::{JournalParts, JournalService},
    listen::listen,
    metrics::ServiceMetrics,
    reflection,
    serve::serve,
    tls::Door,
};
use kittengrad_store::{OpenError, Options, Owner, RocksStore, free_bytes, quarantine};
use prometheus_client::registry::Registry;
use quinn::Endpoint;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use crate::failure::RunError;
use crate::{
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, Shown},
    grpc::{Parts, PeerService},
    link::{self, LinkContext},
    metrics::PeerMetrics,
    show,
    verify::Verifying,
};

/// How often the core hears that time went by.
const TICK: Duration = Duration::from_millis(200);
/// How often the free disk is looked at, in ticks.
const SPACE_TICKS: u32 = 5;

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
    let network = Arc::new(Network::load(&config.network)?);
    let credentials = load_credentials(&config, &network)?;
    let identity = identity_of(&network, &credentials)?;
    let membership = membership_of(&network, credentials.holder().key)?;
    let sockets = Sockets::bind(&config, &identity.addresses, &credentials).await?;
    let store = Arc::new(open_store(&config, &membership)?);
    // Whoever waits for the addresses may have gone away.
    let _ = listening.send(sockets.listening);
    Running::start(
        config,
        network,
        credentials,
        identity,
        membership,
        store,
        sockets,
        shutdown,
    )
    .await
}

fn load_credentials(config: &Config, network: &Network) -> Result<Credentials, RunError> {
    let paths = Paths::in_dir(&config.credentials);
    let loaded = Credentials::load(&paths, Role::Peer, clock::unix_ms())?;
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

fn identity_of(network: &Network, credentials: &Credentials) -> Result<Identity, RunError> {
    let key = credentials.holder().key;
    let known = network.peers().find(|identity| identity.key == key);
    Ok(known.ok_or(MembershipError::Stranger(key))?.clone())
}

fn membership_of(network: &Network, me: PublicKey) -> Result<Membership, RunError> {
    let keys: Vec<_> = network.peers().map(|identity| identity.key).collect();
    let replicas: Replicas = network.replicas();
    Ok(Membership::new(
        network.overlay().clone(),
        replicas,
        &keys,
        me,
    )?)
}

/// Opens the store. One that is damaged is put aside: the partners have what was acknowledged.
fn open_store(config: &Config, membership: &Membership) -> Result<RocksStore, RunError> {
    let owner = Owner {
        overlay: membership.overlay().clone(),
        key: membership.my_key(),
    };
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

/// Everything that listens.
struct Sockets {
    transport: Arc<Transport>,
    grpc: TcpListener,
    http: TcpListener,
    quic: Endpoint,
    listening: Listening,
}

impl Sockets {
    async fn bind(
        config: &Config,
        addresses: &Addresses,
        credentials: &Credentials,
    ) -> Result<Self, RunError> {
        let transport = Transport::of(credentials, clock::unix_ms())?;
        let choose = |key, configured: Option<SocketAddr>, announced: &str| match configured {
            Some(address) => Ok(address),
            None => announced.parse().map_err(|_| RunError::Address {
                key,
                value: announced.to_owned(),
            }),
        };
        let listen_config = &config.listen;
        let grpc = choose("listen.grpc", listen_config.grpc, &addresses.grpc)?;
        let quic = choose("listen.quic", listen_config.quic, &addresses.quic)?;
        let http = choose("listen.http", listen_config.http, &addresses.http)?;
        let grpc_listener = listen(grpc, "listen.grpc").await?;
        let http_listener = listen(http, "listen.http").await?;
        let endpoint = link::bind(quic, &transport)?;
        let listening = Listening {
            grpc: grpc_listener.local_addr().unwrap_or(grpc),
            quic: endpoint.local_addr().unwrap_or(quic),
            http: http_listener.local_addr().unwrap_or(http),
        };
        Ok(Self {
            transport,
            grpc: grpc_listener,
            http: http_listener,
            quic: endpoint,
            listening,
        })
    }
}

/// A peer whose parts are being started; each part is a task that the set owns.
struct Running {
    tasks: JoinSet<Result<(), RunError>>,
    shutdown: CancellationToken,
}

impl Running {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a finished step of starting"
    )]
    async fn start(
        config: Config,
        network: Arc<Network>,
        credentials: Credentials,
        identity: Identity,
        membership: Membership,
        store: Arc<RocksStore>,
        sockets: Sockets,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let mut registry = Registry::with_prefix("kittengrad");
        let metrics = PeerMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let verifying = Verifying::new(
            membership.clone(),
            network.root().clone(),
            Arc::clone(&store),
        )
        .map_err(|error| RunError::Thread(io::Error::other(error)))?;
        let verifying = Arc::new(verifying);

        let core = PeerConfig {
            membership: membership.clone(),
            identity,
            signer: Arc::new(credentials.key().clone()),
            verifier: Arc::new(Ed25519),
            timing: timing(&config),
        };
        let (driver, tip, status) = driver(core, &store, received, metrics.clone())?;
        let mut running = Self {
            tasks: JoinSet::new(),
            shutdown,
        };
        running.drive(driver)?;
        running.tick(&config, commands.clone());

        let context = Arc::new(LinkContext {
            partners: membership.partners().into_iter().collect(),
            membership: membership.clone(),
            root: network.root().clone(),
            commands: commands.clone(),
            verifying: Arc::clone(&verifying),
            metrics,
            connections: AtomicU64::new(0),
        });
        running.link(&sockets.quic, &network, &context);
        running.renew(sockets.transport, credentials.clone());

        let service = PeerService::new(Parts {
            membership: membership.clone(),
            network,
            store: Arc::clone(&store),
            verifying,
            commands: commands.clone(),
            status: status.clone(),
        });
        let journal = JournalService::new(JournalParts {
            overlay: membership.overlay().clone(),
            store,
            tip,
            signer: Arc::new(credentials.key().clone()),
            chain: credentials.chain().clone(),
            shutdown: running.shutdown.clone(),
            metrics: service_metrics.clone(),
        });
        running
            .serve(sockets.grpc, credentials, service, journal, service_metrics)
            .await?;
        running.pages(sockets.http, registry, membership, status);
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
        let shutdown = self.shutdown.clone();
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
    fn link(&mut self, endpoint: &Endpoint, network: &Network, context: &Arc<LinkContext>) {
        let accepting = link::accept(endpoint.clone(), Arc::clone(context), self.shutdown.clone());
        self.tasks.spawn(async move {
            accepting.await;
            Ok(())
        });
        let me = context.membership.my_key();
        for partner in context.partners.iter().filter(|partner| **partner > me) {
            let Some(identity) = network.member(partner) else {
                continue;
            };
            let address = identity.addresses.quic.clone();
            let dialling = link::dial(
                endpoint.clone(),
                *partner,
                address,
                Arc::clone(context),
                self.shutdown.clone(),
            );
            self.tasks.spawn(async move {
                dialling.await;
                Ok(())
            });
        }
    }

    /// Shows partners a fresh certificate before the last one ends.
    fn renew(&mut self, transport: Arc<Transport>, credentials: Credentials) {
        let shutdown = self.shutdown.clone();
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
    ) -> Result<(), RunError> {
        let door = Arc::new(Door::new(credentials, |role| role != Role::Registrar)?);
        let store = StoreServer::new(service.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let journal = JournalServer::new(journal).max_encoding_message_size(MESSAGE_BYTES_MAX);
        let routes = Routes::new(store)
            .add_service(RoutingServer::new(service))
            .add_service(journal);
        let names = [
            "kittengrad.v1.Store",
            "kittengrad.v1.Routing",
            "kittengrad.v1.Journal",
        ];
        let routes = reflection::describe(routes, &names).await?;
        let serving = serve(listener, door, routes, metrics, self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
        Ok(())
    }

    fn pages(
        &mut self,
        listener: TcpListener,
        registry: Registry,
        membership: Membership,
        status: watch::Receiver<Status>,
    ) {
        let ready = status.clone();
        let pages = Pages {
            registry: Arc::new(registry),
            not_ready: Arc::new(move || show::not_ready(&ready.borrow())),
            status: Arc::new(move || show::status_page(&membership, &status.borrow())),
        };
        let serving = http::serve(listener, http::router(pages), self.shutdown.clone());
        self.tasks.spawn(async move { Ok(serving.await?) });
    }

    /// Waits for the end, and lets everything finish in order: the driver goes last.
    async fn until_stopped(mut self, commands: mpsc::Sender<Command>) -> Result<(), RunError> {
        let mut first_error = None;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => {
                        first_error = Some(error);
                        break;
                    }
                    Some(Err(panic)) => {
                        first_error = Some(RunError::Task(panic.to_string()));
                        break;
                    }
                    None => break,
                }
            }
        }
        self.shutdown.cancel();
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
    let driver = Driver::new(core, Arc::clone(store), commands, shown, metrics)?;
    let status = status_shown.ok_or_else(|| RunError::Task("no status".to_owned()))?;
    Ok((driver, tip_shown, status))
}
