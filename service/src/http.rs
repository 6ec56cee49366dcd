//! The plain pages of a process: metrics, liveness, readiness, status. They are read-only and need no certificate, so
//! they listen on loopback unless the operator configures another address.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

/// Connections at one time.
const CONNECTIONS_MAX: usize = 512;
/// Time to send the head of a request, from the start of the connection or the end of the answer before.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Time in which a caller must take at least one byte of its answer.
const TAKE_MAX: Duration = Duration::from_secs(30);
/// Time for requests to end when the process stops.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after the system failed to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why serving pages ended other than by a shutdown.
#[derive(Debug, Error)]
#[error("http: {0}")]
pub struct HttpError(#[from] io::Error);

/// Gives the reasons why a process is not ready; none when it is ready. Called for each request.
pub type NotReady = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// The content of the pages.
#[derive(Clone)]
pub struct Pages {
    /// The metrics on `/metrics`.
    pub registry: Arc<Registry>,
    /// The reasons on `/readyz`.
    pub not_ready: NotReady,
    /// Makes the JSON on `/status`.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// The routes of the pages. A role may add its own.
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

/// Serves the pages until `shutdown`. Requests in progress then have two seconds to end.
///
/// A connection is closed if a request's head takes longer than 10 seconds, or the caller takes no byte for 30 seconds.
/// There are at most 512 connections; further callers wait in the system's queue.
///
/// # Errors
/// Never at present: a failed accept is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            (listener.accept().await, seat)
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (accepted, seat) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (router, shutdown) = (router.clone(), shutdown.clone());
                    connections.spawn(async move {
                        connection(stream, router, shutdown).await;
                        drop(seat);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    let _ = timeout(ACCEPT_PAUSE, shutdown.cancelled()).await;
                }
            },
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    // Dropping the set aborts the connections that are left.
    let _ = timeout(GRACE, ended).await;
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Small answers go out at once. A socket that refuses the option still works, only later.
    let _ = stream.set_nodelay(true);
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_headers(HEADERS_MAX);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(TAKE_MAX));
    let stream = TokioIo::new(Box::pin(stream));
    let serving = http.serve_connection(stream, TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
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
