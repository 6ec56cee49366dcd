//! Putting an aggregator's parts together.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kittengrad_aggregator_core::{Config as CoreConfig, Input, Plan, Timing, View};
use kittengrad_client::{Client, config::Timeouts};
use kittengrad_journal::{Store, Tip};
use kittengrad_overlay::view::View as RingView;
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::Root,
    id::PublicKey,
    limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX, SUBMIT_BYTES_MAX},
    signed::Ed25519,
    wire::{routing_server::RoutingServer, store_server::StoreServer},
};
use kittengrad_service::{
    http::{NotReady, Pages},
    journal::{JournalParts, JournalService},
    metrics::ServiceMetrics,
    reflection::{self, Health},
    views::Views,
};
use kittengrad_store::RocksStore;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    config::Config,
    driver::{COMMANDS_MAX, Command, Driver, FETCHES_MAX, Outlets, Reader},
    grpc::{AggregatorService, Parts},
    metrics::AggregatorMetrics,
    run::{RunError, Sockets},
    show::{self, Shown},
    tasks::Running,
};

/// A source is asked anew if it says nothing for so long; it says something every second.
const SILENCE_MS: u64 = 5_000;

/// Everything that an aggregator is started from.
pub(crate) struct Start {
    pub(crate) config: Config,
    pub(crate) root: Root,
    pub(crate) view: RingView,
    pub(crate) credentials: Credentials,
    pub(crate) store: Arc<RocksStore>,
}

impl Start {
    /// Starts everything, and runs until `shutdown` or the first failure.
    pub(crate) async fn run(
        self,
        sockets: Sockets,
        shutdown: CancellationToken,
    ) -> Result<(), RunError> {
        let timeouts = Timeouts {
            silence_ms: SILENCE_MS,
            ..Timeouts::default()
        };
        let credentials = self.credentials.clone();
        let (root, view) = (self.root.clone(), self.view.clone());
        let client = Client::new(root, view, credentials, Vec::new(), timeouts)?;
        let mut registry = Registry::with_prefix("kittengrad");
        let metrics = AggregatorMetrics::register(&mut registry);
        let service_metrics = ServiceMetrics::register(&mut registry);

        let plan = self.plan();
        let followed = plan
            .sources
            .iter()
            .map(|planned| (planned.source, Arc::default()));
        let readers: BTreeMap<PublicKey, Arc<Reader>> = followed.collect();
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (fetches, wanted) = mpsc::channel(FETCHES_MAX);
        let (tip, tips) = watch::channel(None);
        let (view, views) = watch::channel(Arc::new(Shown::new(View::default())));
        let outlets = Outlets {
            tip,
            view,
            fetches,
            readers: readers.clone(),
            metrics,
        };
        let driver = Driver::new(self.core(), Arc::clone(&self.store), received, outlets)?;

        let mut running = Running::new(shutdown);
        running.drive(driver)?;
        // The channel is empty, and its end is in the driver.
        let _ = commands.send(Command::Input(Input::Plan(plan))).await;
        let (shortage, shortages) = watch::channel(None);
        running.tick(&self.config, commands.clone(), shortage);
        running.fetch(client.clone(), wanted, commands.clone());
        for (source, told) in readers {
            running.follow(
                source,
                client.clone(),
                commands.clone(),
                told,
                shortages.clone(),
            );
        }
        let not_ready = not_ready(views.clone(), shortages);
        let pages = self.pages(registry, Arc::clone(&not_ready), views.clone());
        running.pages(sockets.http, pages);
        let (routes, health) = self
            .routes(&running, &client, tips, views, service_metrics.clone())
            .await?;
        running.health(health, not_ready);
        running.serve(sockets.grpc, self.credentials, routes, service_metrics)?;
        running.until_stopped(commands).await
    }

    /// A cover of all peers: in a network with fixed membership all are in the plan, and one that is down is
    /// waited for.
    fn plan(&self) -> Plan {
        Plan::cover(self.view.ring(), |point| self.view.key_at(point), |_| true)
    }

    fn core(&self) -> CoreConfig {
        CoreConfig {
            overlay: self.view.overlay().clone(),
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
        not_ready: NotReady,
        views: watch::Receiver<Arc<Shown>>,
    ) -> Pages {
        let (own, overlay) = (self.credentials.holder().key, self.view.overlay().clone());
        Pages {
            registry: Arc::new(registry),
            not_ready,
            status: Arc::new(move || {
                let shown = Arc::clone(&views.borrow());
                show::status_page(own, &overlay, &shown.as_of(Instant::now()))
            }),
        }
    }

    async fn routes(
        &self,
        running: &Running,
        client: &Client,
        tip: watch::Receiver<Option<Tip>>,
        view: watch::Receiver<Arc<Shown>>,
        metrics: ServiceMetrics,
    ) -> Result<(Routes, Health), RunError> {
        let store = Arc::clone(&self.store);
        let journal = JournalService::new(JournalParts {
            overlay: self.view.overlay().clone(),
            store: Arc::clone(&store) as Arc<dyn Store>,
            tip: tip.clone(),
            signer: Arc::new(self.credentials.key().clone()),
            chain: self.credentials.chain().clone(),
            shutdown: running.shutdown(),
            metrics,
        });
        let own = self.credentials.holder().key;
        let overlay = self.view.overlay().clone();
        let service = AggregatorService::new(Parts {
            own,
            overlay,
            views: Views::new(client.views()),
            store,
            tip,
            view,
        });
        let lookups = StoreServer::new(service.clone())
            .max_decoding_message_size(SUBMIT_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let journal = journal.server();
        let routing = RoutingServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
        let routes = Routes::new(lookups)
            .add_service(routing)
            .add_service(journal);
        let names = [
            "kittengrad.v1.Store",
            "kittengrad.v1.Routing",
            "kittengrad.v1.Journal",
        ];
        Ok(reflection::describe(routes, &names).await?)
    }
}

/// Why the aggregator is not ready, read whenever somebody asks.
fn not_ready(
    views: watch::Receiver<Arc<Shown>>,
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
