//! The QUIC endpoint: bounded, mutually authenticated, no resumption.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use kittengrad_pki::{
    tls::{self, Revocations, TlsError},
    transport::Transport,
};
use kittengrad_proto::signed::Signer;
use kittengrad_service::listen::next_step;
use quinn::{
    ClientConfig, Endpoint, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig},
};
use thiserror::Error;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{self, LinkContext},
    reset::endpoint_config,
};

/// What both sides speak.
const ALPN: &[u8] = b"kittengrad-link/1";
/// A handshake takes no longer.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(3);
/// A silent connection ends after this.
const IDLE_MS: u32 = 10_000;
/// So often a silent connection says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Connections at one time: every partner once, and some that are being replaced.
const CONNECTIONS_MAX: usize = 1_024;
/// Connections and handshakes beyond which a caller has to prove its address first.
const UNPROVEN_MAX: usize = 128;
/// Bytes on their way on one stream and one connection.
const STREAM_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 32 * 1024 * 1024;

/// Why there is no endpoint.
#[derive(Debug, Error)]
pub enum BindError {
    /// TLS refuses certificates or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS lacks what QUIC needs.
    #[error("QUIC: {0}")]
    Cipher(#[from] NoInitialCipherSuite),
    /// The address is taken or not ours.
    #[error(
        "cannot listen for QUIC on {address} (`listen.quic`): {error}; {}",
        next_step(error)
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Listens and dials on `address`, as the peer that signs with `signer`.
pub(crate) fn bind(
    address: SocketAddr,
    transport: &Arc<Transport>,
    signer: &dyn Signer,
) -> Result<Endpoint, BindError> {
    let revocations = Revocations::default();
    let server = tls::server_config(transport, &revocations, &[ALPN])?;
    let client = tls::client_config(transport, &revocations, &[ALPN])?;
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server.transport_config(transport_config());
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client.transport_config(transport_config());
    let config = endpoint_config(signer);
    let listening = UdpSocket::bind(address)
        .and_then(|socket| Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime)));
    let mut endpoint = listening.map_err(|error| BindError::Address { address, error })?;
    endpoint.set_default_client_config(client);
    Ok(endpoint)
}

fn transport_config() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(2))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(None);
    Arc::new(config)
}

/// Accepts connections of partners until `shutdown`.
pub(crate) async fn accept(
    endpoint: Endpoint,
    context: Arc<LinkContext>,
    shutdown: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            incoming = endpoint.accept(), if tasks.len() < CONNECTIONS_MAX => {
                let Some(incoming) = incoming else { break };
                if tasks.len() >= UNPROVEN_MAX && !incoming.remote_address_validated() {
                    // Whoever only pretends to be at its address must not keep partners out.
                    let _ = incoming.retry();
                    continue;
                }
                let context = Arc::clone(&context);
                tasks.spawn(async move {
                    match timeout(HANDSHAKE, incoming).await {
                        Ok(Ok(connection)) => {
                            connection::serve(connection, None, &context).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "handshake refused"),
                        Err(_) => tracing::debug!("handshake took too long"),
                    }
                });
            }
        }
    }
    endpoint.close(VarInt::from_u32(0), b"stopping");
    tasks.shutdown().await;
    let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
}
