//! The plain pages of a process: metrics, liveness, readiness, status. Read-only, without certificates,
//! and so on loopback unless the operator says otherwise.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

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
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Connections at one time.
const CONNECTIONS_MAX: usize = 512;
/// How long a caller may take to send the head of a request, and may say nothing between two.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Lines of such a head.
const HEADERS_MAX: usize = 64;
/// How long a caller may take nothing of what is sent.
const TAKE_MAX: Duration = Duration::from_secs(30);
/// How long requests may take to end when the process stops.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after the system could not give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
/// Whoever sends no whole head or takes nothing for a while is closed, and there are never more than 512 connections:
/// further ones wait in the system's queue.
///
/// # Errors
/// If the listener fails.
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
    // What is left is aborted.
    let _ = timeout(GRACE, ended).await;
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Small answers go out at once; that a socket cannot be told so is no reason not to answer.
    let _ = stream.set_nodelay(true);
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_headers(HEADERS_MAX);
    let stream = TokioIo::new(Taken::new(stream));
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

/// A connection whose other end takes what is sent within [`TAKE_MAX`], or is closed.
struct Taken {
    stream: TcpStream,
    /// When the other end has taken nothing for too long.
    lies: Option<Pin<Box<Sleep>>>,
}

impl Taken {
    const fn new(stream: TcpStream) -> Self {
        Self { stream, lies: None }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.lies = None;
            return written;
        }
        let lies = self.lies.get_or_insert_with(|| Box::pin(sleep(TAKE_MAX)));
        lies.as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
