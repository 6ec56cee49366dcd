//! Serving gRPC: accepts connections, limits them, and ends them at shutdown.

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tower::util::MapResponseLayer;

use crate::{
    intake::Intake,
    metrics::{RefusedBecause, ServiceMetrics},
    room::keep_with_body,
    seats::Seats,
    tls::{Connection, Door},
};

/// Handshakes at one time. Further callers wait in the system's queue.
const HANDSHAKES_MAX: usize = 1_024;
/// Handshakes at one time of one IPv4 address, or of one IPv6 /64 network. Further connections are closed.
const HANDSHAKES_OF_ADDRESS_MAX: usize = 64;
/// Calls at one time on one connection.
const STREAMS_MAX: u32 = 64;
/// Time of a call until its answer begins.
pub const CALL_MAX: Duration = Duration::from_secs(20);
/// Bytes of the headers of one call.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// HTTP/2 flow control: bytes that may be in flight on one call and on one connection before the sender waits.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// A connection silent for this time is pinged. It is closed if it does not answer within the same time.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Time for calls to finish when the process stops.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after the system failed to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why serving ended other than by a shutdown.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("gRPC: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves `routes` to the callers that `door` admits, until `shutdown`. Calls then have five seconds to end.
///
/// # Errors
/// If the transport fails as a whole. A failure of one connection ends only that connection.
pub async fn serve(
    listener: TcpListener,
    door: Arc<Door>,
    routes: Routes,
    metrics: ServiceMetrics,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let cut = CancellationToken::new();
    let (admitted, connections) = mpsc::channel(HANDSHAKES_MAX);
    let accepting = Accepting {
        listener,
        door,
        metrics,
        admitted,
        cut: cut.clone(),
    };
    let accepting = accepting.run(shutdown.clone());
    let serving = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .layer(Intake::default())
        .timeout(CALL_MAX)
        .layer(MapResponseLayer::new(keep_with_body))
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            ReceiverStream::new(connections),
            shutdown.clone().cancelled_owned(),
        );
    let deadline = async {
        shutdown.cancelled().await;
        sleep(GRACE).await;
        cut.cancel();
    };
    let served = async {
        let served = serving.await;
        cut.cancel();
        served
    };
    let ((), served) = tokio::join!(accepting, async {
        tokio::pin!(deadline, served);
        tokio::select! {
            served = &mut served => served,
            () = &mut deadline => served.await,
        }
    });
    Ok(served?)
}

/// The accept loop.
struct Accepting {
    listener: TcpListener,
    door: Arc<Door>,
    metrics: ServiceMetrics,
    admitted: mpsc::Sender<io::Result<Connection>>,
    cut: CancellationToken,
}

impl Accepting {
    async fn run(self, shutdown: CancellationToken) {
        let shaking = Seats::new(HANDSHAKES_MAX, HANDSHAKES_OF_ADDRESS_MAX);
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.admitted.closed() => break,
                Some(_) = handshakes.join_next() => {}
                accepted = self.listener.accept(), if handshakes.len() < HANDSHAKES_MAX => match accepted {
                    Ok((stream, address)) => {
                        let Ok(seat) = shaking.take(network_of(address.ip())) else {
                            self.metrics.refuse(RefusedBecause::Full);
                            continue;
                        };
                        let door = Arc::clone(&self.door);
                        let (metrics, cut) = (self.metrics.clone(), self.cut.clone());
                        let admitted = self.admitted.clone();
                        handshakes.spawn(async move {
                            let accepted = door.accept(stream, &cut, metrics.connections.clone()).await;
                            drop(seat);
                            match accepted {
                                Ok(connection) => drop(admitted.send(Ok(connection)).await),
                                Err(error) => {
                                    metrics.refuse(error.because());
                                    tracing::debug!(%address, %error, "connection refused");
                                }
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        let _ = timeout(ACCEPT_PAUSE, shutdown.cancelled()).await;
                    }
                },
            }
        }
        handshakes.shutdown().await;
    }
}

/// The network that counts as one caller: an IPv4 address, or the /64 network of an IPv6 address.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
