//! Serving a fake member over mutual TLS on loopback.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::StreamExt;
use kittengrad_pki::{
    credentials::Credentials,
    tls::{Revocations, server_config},
    transport::Transport,
};
use kittengrad_proto::{
    identity::Identity,
    limits::MESSAGE_BYTES_MAX,
    wire::{
        journal_server::JournalServer, routing_server::RoutingServer, store_server::StoreServer,
    },
};
use kittengrad_support::clock::unix_ms;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Connected;

use crate::{fake::Fake, world::identity};

/// A fake member and the runtime that serves it, so that all of it ends at once.
pub(crate) struct Server {
    pub(crate) fake: Arc<Fake>,
    pub(crate) identity: Identity,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) async fn start(fake: Arc<Fake>) -> Self {
        let shown = fake.credentials.clone();
        Self::start_showing(fake, &shown).await
    }

    /// Serves `fake` with the certificates of somebody else.
    pub(crate) async fn start_showing(fake: Arc<Fake>, shown: &Credentials) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let bound = runtime.spawn(TcpListener::bind("127.0.0.1:0"));
        let listener = bound.await.unwrap().unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let identity = identity(&fake.overlay, &fake.credentials, &address, 1);
        let transport = Transport::of(shown, unix_ms()).unwrap();
        let config = server_config(&transport, &Revocations::default(), &[b"h2"]).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let incoming = TcpListenerStream::new(listener).filter_map(move |tcp| {
            let acceptor = acceptor.clone();
            // A refused handshake is the client's affair; the listener goes on.
            async move {
                Some(Ok::<_, io::Error>(Connection(
                    acceptor.accept(tcp.ok()?).await.ok()?,
                )))
            }
        });
        let served = Arc::clone(&fake);
        let store =
            StoreServer::from_arc(Arc::clone(&served)).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let serving = tonic::transport::Server::builder()
            .add_service(store.max_encoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(RoutingServer::from_arc(Arc::clone(&served)))
            .add_service(
                JournalServer::from_arc(served).max_encoding_message_size(MESSAGE_BYTES_MAX),
            )
            .serve_with_incoming(incoming);
        runtime.spawn(async move { serving.await.unwrap() });
        Self {
            fake,
            identity,
            runtime: Some(runtime),
        }
    }

    /// Ends the member like kill -9: its connections are lost, and nobody listens at its address any more.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection that tonic can serve.
struct Connection(TlsStream<TcpStream>);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
