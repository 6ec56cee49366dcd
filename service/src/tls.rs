//! The door: verifies TCP connections with TLS, or closes them.
//!
//! A connection carries its [`Caller`] into every request. It ends when the caller's certificates end, because TLS
//! checks them only in the handshake.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use kittengrad_pki::tls::holder_of;
use kittengrad_proto::{
    certificate::{CertificateError, Role, Root},
    id::PublicKey,
};
use prometheus_client::metrics::gauge::Gauge;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::{
    caller::Caller,
    clock,
    handshakes::{GRPC, Handshakes, TlsConfigs},
    metrics::RefusedBecause,
    room::Rooms,
    seats::{Seat, Seats},
};

/// Connections at one time. Further ones are closed.
const CONNECTIONS_MAX: usize = 1_024;
/// Connections of one key at one time.
const CONNECTIONS_OF_CALLER_MAX: usize = 32;
/// Time for a handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// Why a connection was refused. It is closed then.
#[derive(Debug, Error)]
pub(crate) enum RefusedError {
    #[error("handshake failed: {0}")]
    Handshake(#[from] io::Error),
    #[error("handshake took longer than {HANDSHAKE_MAX:?}")]
    Slow,
    #[error("certificates: {0}")]
    Certificate(#[from] CertificateError),
    #[error("role {0} is not served here")]
    Role(Role),
    #[error(
        "too many connections: at most {CONNECTIONS_MAX}, and {CONNECTIONS_OF_CALLER_MAX} of one key"
    )]
    Full,
}

impl RefusedError {
    pub(crate) const fn because(&self) -> RefusedBecause {
        match self {
            Self::Handshake(_) => RefusedBecause::Handshake,
            Self::Slow => RefusedBecause::Slow,
            Self::Full => RefusedBecause::Full,
            Self::Certificate(_) | Self::Role(_) => RefusedBecause::Role,
        }
    }
}

/// Accepts connections with mutual TLS 1.3, each with the newest configuration.
pub struct Door {
    root: Root,
    configs: watch::Receiver<TlsConfigs>,
    admits: fn(Role) -> bool,
    callers: Arc<Seats<PublicKey>>,
    rooms: Rooms,
}

impl Door {
    /// A door for gRPC that uses `handshakes` and admits callers whose role passes `admits`.
    #[must_use]
    pub fn new(handshakes: &Handshakes, admits: fn(Role) -> bool) -> Self {
        Self {
            root: handshakes.credentials().root().clone(),
            configs: handshakes.configs(GRPC),
            admits,
            callers: Seats::new(CONNECTIONS_MAX, CONNECTIONS_OF_CALLER_MAX),
            rooms: Rooms::new(),
        }
    }

    /// Makes the handshake, and checks the caller's certificates, role and number of connections.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        cut: &CancellationToken,
        open: Gauge,
    ) -> Result<Connection, RefusedError> {
        let address = stream.peer_addr()?;
        stream.set_nodelay(true)?;
        let config = Arc::clone(&self.configs.borrow().server);
        let handshake = TlsAcceptor::from(config).accept(stream);
        let stream = timeout(HANDSHAKE_MAX, handshake)
            .await
            .map_err(|_| RefusedError::Slow)??;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let now_ms = clock::unix_ms();
        let holder = holder_of(certificates, &self.root, now_ms)?;
        if !(self.admits)(holder.role) {
            return Err(RefusedError::Role(holder.role));
        }
        let seat = self.callers.take(holder.key);
        let seat = seat.map_err(|_| RefusedError::Full)?;
        let left = Duration::from_millis(holder.not_after_ms.saturating_sub(now_ms));
        let cut = cut.child_token();
        Ok(Connection {
            caller: Caller {
                room: self.rooms.of(holder.key, cut.clone()),
                holder: Arc::new(holder),
                address,
            },
            stream,
            expiry: Box::pin(sleep(left)),
            cut: Box::pin(cut.cancelled_owned()),
            _counted: Counted::new(open),
            _seat: seat,
        })
    }
}

/// Counts a connection for as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn new(open: Gauge) -> Self {
        open.inc();
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A connection from a known caller.
pub struct Connection {
    caller: Caller,
    stream: TlsStream<TcpStream>,
    /// When the caller's certificates end.
    expiry: Pin<Box<Sleep>>,
    /// Ready when the time to stop, or the time to take an answer, is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _counted: Counted,
    /// Held to limit the number of connections.
    _seat: Seat<PublicKey>,
}

impl Connection {
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.expiry.as_mut().poll(cx).is_ready() {
            return Some(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "certificates ended",
            ));
        }
        if self.cut.as_mut().poll(cx).is_ready() {
            return Some(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the process is stopping, or the caller did not take its answer",
            ));
        }
        None
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.ended(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
