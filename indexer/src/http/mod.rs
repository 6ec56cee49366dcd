//! HTTP: JSON for programs, one page for people. Without TLS, read-only, and on loopback unless configured otherwise.

mod assets;
mod document;
mod documents;
mod failure;
mod feed;
mod search;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use kittengrad_service::http::Pages;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    feed::Feed, index::Snapshot, metrics::IndexerMetrics, ring::RingCache,
    search::Pages as SearchPages, show, source::SourceStatus,
};

use assets::Shell;
use failure::Failure;

/// The sources of all pages.
#[derive(Debug)]
pub struct Parts {
    /// The snapshot of the last commit.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The status of the source.
    pub source: watch::Receiver<SourceStatus>,
    /// The new elements of each commit.
    pub feed: Feed,
    /// The members with their arcs and states.
    pub ring: RingCache,
    /// Metrics of the indexer.
    pub metrics: IndexerMetrics,
    /// The registry of `metrics`.
    pub registry: Arc<Registry>,
    /// Ends streams that have no end of their own.
    pub shutdown: CancellationToken,
}

/// The state that all handlers share.
#[derive(Debug, Clone)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    pages: SearchPages,
    /// Searches and documents that are read at the same time, each on a blocking thread.
    reads: Arc<Semaphore>,
    /// Lists of all documents that are read at the same time.
    lists: Arc<Semaphore>,
    /// Readers of the feed.
    readers: Arc<Semaphore>,
    shell: Shell,
}

impl App {
    /// Renders the frame of the page, and makes the semaphores.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let shell = Shell::new(&parts.snapshots.borrow().state.overlay);
        let pages = SearchPages::default();
        let (reads, lists) = (
            Arc::new(Semaphore::new(READS_MAX)),
            Arc::new(Semaphore::new(LISTS_MAX)),
        );
        Self(Arc::new(Shared {
            parts,
            pages,
            reads,
            lists,
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            shell,
        }))
    }

    /// Makes the router with all routes.
    pub fn router(&self) -> Router {
        let pages = Pages {
            registry: Arc::clone(&self.0.parts.registry),
            not_ready: Arc::new({
                let app = self.clone();
                move || app.not_ready()
            }),
            status: Arc::new({
                let app = self.clone();
                move || app.status()
            }),
        };
        Router::new()
            .route("/", get(assets::page))
            .route("/favicon.svg", get(assets::favicon))
            .route("/favicon.ico", get(assets::favicon))
            .route("/assets/{name}", get(assets::asset))
            .route("/api/search", get(search::search))
            .route("/api/document/{cid}", get(document::document))
            .route("/api/documents", get(documents::documents))
            .route("/api/feed", get(feed::feed))
            .route("/api/ring", get(ring))
            .fallback(failure::no_such_page)
            .with_state(self.clone())
            .merge(kittengrad_service::http::router(pages))
            .layer(middleware::from_fn(harden))
    }

    /// Drops snapshots that no search continues in, every 30 seconds. Never returns.
    pub async fn tend(&self) {
        loop {
            self.0.pages.expire(Instant::now());
            sleep(TEND_EVERY).await;
        }
    }

    /// Runs `work` with the last snapshot on a blocking thread. Fails if no permit is free within [`PATIENCE`].
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, Arc<Snapshot>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.0.reads).acquire_owned();
        let Ok(Ok(permit)) = timeout(PATIENCE, turn).await else {
            return Err(Failure::busy());
        };
        let app = self.clone();
        // The caller may leave. The work continues then, so it holds the permit itself.
        let work = move || {
            let done = work(&app, app.snapshot());
            drop(permit);
            done
        };
        spawn_blocking(work).await?
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.parts.snapshots.borrow())
    }

    fn not_ready(&self) -> Vec<String> {
        show::not_ready(&self.snapshot(), &self.0.parts.source.borrow())
    }

    fn status(&self) -> Value {
        show::status_page(&self.snapshot(), &self.0.parts.source.borrow())
    }
}

async fn ring(State(app): State<App>) -> axum::Json<Value> {
    let report = app.0.parts.ring.read().await;
    axum::Json(serde_json::to_value(&*report).unwrap_or_default())
}

/// Adds headers that keep the browser from running or loading anything of another origin. So hostile metadata is
/// harmless even if a page has a hole.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Searches and documents that are read at the same time.
const READS_MAX: usize = 8;
/// Longest wait of a request for a permit.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two checks of the snapshots of searches.
const TEND_EVERY: Duration = Duration::from_secs(30);
/// Readers of the feed at one time.
const READERS_MAX: usize = 256;
/// Lists of all documents that are read at the same time.
const LISTS_MAX: usize = 2;
