//! The plain pages of a process: metrics, liveness, readiness, status. Read-only, without certificates,
//! and so on loopback unless the operator says otherwise.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why serving pages ended other than by a shutdown.
#[derive(Debug, Error)]
#[error("http: {0}")]
pub struct HttpError(#[from] io::Error);

/// Why a process is not ready, read whenever somebody asks; empty when it is.
pub type NotReady = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// Why the process is not ready; empty when it is.
    pub not_ready: NotReady,
    /// What `/status` shows.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// The routes, to which a role may add its own.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .route(
            "/status",
            get(async |State(pages): State<Pages>| Json((pages.status)())),
        )
        .with_state(pages)
}

/// Serves the pages until `shutdown`; requests under way are cut off with their connections soon after.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    };
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        served = serving => Ok(served?),
        () = grace => Ok(()),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &pages.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let reasons = (pages.not_ready)();
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })),
    )
        .into_response()
}

/// OpenMetrics, as the encoder writes it.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
