//! A small network of certificates, and a served journal to connect to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hyper_util::rt::TokioIo;
use kittengrad_pki::{
    authority::Authority,
    credentials::Credentials,
    tls::{Revocations, client_config, server_name},
    transport::Transport,
};
use kittengrad_proto::{
    certificate::Role, evidence::Evidence, id::PublicKey, signed::Signer,
    wire::journal_client::JournalClient,
};
use kittengrad_service::{
    clock::unix_ms,
    handshakes::{GRPC, Handshakes},
    journal::{JournalParts, JournalService},
    listen::listen,
    metrics::ServiceMetrics,
    reflection::describe,
    serve::serve,
    tls::Door,
};
use kittengrad_support::{
    authority::{admit, authority},
    wait::soon,
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Channel, Endpoint, Uri},
};

use crate::world::World;

/// Certificates under one root.
pub(crate) struct Network(Authority);

impl Network {
    pub(crate) fn new() -> Self {
        Self(authority())
    }

    pub(crate) fn admit(&self, role: Role) -> Credentials {
        admit(&self.0, role)
    }
}

/// Evidence with the caller that showed it.
pub(crate) type Evidences = Arc<Mutex<Vec<(PublicKey, Evidence)>>>;

/// A served journal.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) owner: PublicKey,
    pub(crate) handshakes: Handshakes,
    pub(crate) metrics: ServiceMetrics,
    /// Evidence against callers, with the callers.
    pub(crate) evidence: Evidences,
    /// Sets whether the process is ready.
    pub(crate) ready: watch::Sender<bool>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    /// Serves the journal of `world` to clients and aggregators.
    pub(crate) async fn start(world: &World) -> Self {
        let credentials = &world.owner;
        let shutdown = CancellationToken::new();
        let metrics = ServiceMetrics::default();
        let evidence = Evidences::default();
        let shown = Arc::clone(&evidence);
        let journal = JournalService::new(JournalParts {
            overlay: world.overlay.clone(),
            store: world.store(),
            tip: world.tips(),
            statements: watch::channel(None).1,
            times: kittengrad_service::journal::SigningTimes::default(),
            signer: Arc::new(credentials.key().clone()),
            chain: credentials.chain().clone(),
            shutdown: shutdown.clone(),
            metrics: metrics.clone(),
            evidence: Arc::new(move |by, found| shown.lock().unwrap().push((by, found))),
        })
        .server();
        let (routes, health) = describe(Routes::new(journal), &["kittengrad.v1.Journal"])
            .await
            .unwrap();
        let (ready, readiness) = watch::channel(true);
        let not_ready =
            move || Vec::from_iter((!*readiness.borrow()).then(|| "set by the test".to_owned()));
        let following = tokio::spawn(health.follow(Arc::new(not_ready), shutdown.clone()));
        let admits = |role| matches!(role, Role::Client | Role::Aggregator);
        let handshakes = Handshakes::new(credentials.clone(), &[GRPC]).unwrap();
        let door = Arc::new(Door::new(&handshakes, admits));
        let listener = listen("127.0.0.1:0".parse().unwrap(), "grpc")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve(listener, door, routes, metrics.clone(), shutdown.clone());
        let serving = tokio::spawn(async move {
            serving.await.unwrap();
            following.await.unwrap();
        });
        Self {
            address,
            ready,
            owner: credentials.key().public(),
            handshakes,
            metrics,
            evidence,
            shutdown,
            serving,
        }
    }

    pub(crate) async fn journal(&self, caller: &Credentials) -> JournalClient<Channel> {
        self.connect(caller).await.unwrap()
    }

    pub(crate) async fn connect(
        &self,
        caller: &Credentials,
    ) -> Result<JournalClient<Channel>, tonic::transport::Error> {
        let transport = Transport::of(caller, unix_ms()).unwrap();
        let config = client_config(&transport, &Revocations::default(), &[b"h2"]).unwrap();
        let channel = channel(self.address, config, server_name(&self.owner, Role::Peer)).await?;
        Ok(JournalClient::new(channel).max_decoding_message_size(16 << 20))
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        soon(self.serving).await.unwrap();
    }
}

/// A gRPC channel over TLS with this configuration.
pub(crate) async fn channel(
    address: SocketAddr,
    config: rustls::ClientConfig,
    name: ServerName<'static>,
) -> Result<Channel, tonic::transport::Error> {
    let connector = TlsConnector::from(Arc::new(config));
    let connect = tower::service_fn(move |_: Uri| {
        let (connector, name) = (connector.clone(), name.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            std::io::Result::Ok(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    Endpoint::from_static("http://journal.invalid")
        .connect_with_connector(connect)
        .await
}
