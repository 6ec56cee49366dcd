//! The QUIC endpoint: bounded, mutually authenticated, no resumption.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use kittengrad_service::{
    handshakes::{Handshakes, TlsConfigs},
    listen::next_step,
    process::joined,
};
use quinn::{
    ClientConfig, Endpoint, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig},
};
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{self, LinkContext},
    reset::endpoint_config,
};

/// The name of the protocol in TLS (ALPN).
pub(crate) const PROTOCOL: &[u8] = b"kittengrad-link/2";
/// The deadline of a handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(3);
/// The idle time after which a silent connection ends.
const IDLE_MS: u32 = 10_000;
/// The time between keep-alive packets on a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Connections at one time, at most: one for each partner, and some that are being replaced.
const CONNECTIONS_MAX: usize = 1_024;
/// Connections and handshakes above which a caller must prove its address first.
const UNPROVEN_MAX: usize = 128;
/// Unacknowledged bytes on one stream and on one connection, at most.
const STREAM_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 32 * 1024 * 1024;

/// The endpoint could not be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// TLS lacks the cipher suite that QUIC needs.
    #[error("QUIC: {0}")]
    Cipher(#[from] NoInitialCipherSuite),
    /// The address is taken, or is not an address of this host.
    #[error(
        "cannot listen for QUIC on {address} (`listen.quic`): {error}; {}",
        next_step(error)
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        error: std::io::Error,
    },
}

/// Makes the endpoint that listens and dials on `address`.
pub(crate) fn bind(address: SocketAddr, handshakes: &Handshakes) -> Result<Endpoint, BindError> {
    let server = server_config(&handshakes.configs(PROTOCOL).borrow())?;
    let config = endpoint_config(handshakes.credentials().key());
    UdpSocket::bind(address)
        .and_then(|socket| Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime)))
        .map_err(|error| BindError::Address { address, error })
}

/// Keeps the endpoint's server configuration up to date, for as long as it is awaited.
pub(crate) async fn follow_tls(endpoint: Endpoint, mut tls: watch::Receiver<TlsConfigs>) {
    // The endpoint was made with the configuration that is in the channel now.
    while tls.changed().await.is_ok() {
        match server_config(&tls.borrow_and_update()) {
            Ok(server) => endpoint.set_server_config(Some(server)),
            Err(error) => {
                tracing::error!(%error, "links keep the previous TLS configuration")
            }
        }
    }
    // The sender of configurations is dropped only when the process ends.
    std::future::pending().await
}

fn server_config(tls: &TlsConfigs) -> Result<ServerConfig, NoInitialCipherSuite> {
    let quic = QuicServerConfig::try_from(Arc::clone(&tls.server))?;
    let mut config = ServerConfig::with_crypto(Arc::new(quic));
    config.transport_config(transport_config());
    Ok(config)
}

/// Makes the configuration to dial with, from the current certificates.
pub(crate) fn client_config(tls: &TlsConfigs) -> Result<ClientConfig, NoInitialCipherSuite> {
    let quic = QuicClientConfig::try_from(Arc::clone(&tls.client))?;
    let mut config = ClientConfig::new(Arc::new(quic));
    config.transport_config(transport_config());
    Ok(config)
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
            // Propagates a panic, which would otherwise leave a link up without a reader.
            Some(ended) = tasks.join_next() => joined(ended),
            incoming = endpoint.accept(), if tasks.len() < CONNECTIONS_MAX => {
                let Some(incoming) = incoming else { break };
                if tasks.len() >= UNPROVEN_MAX && !incoming.remote_address_validated() {
                    // A caller with a forged address must not keep partners out.
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

/// Helpers for tests of links.
#[cfg(test)]
pub(super) mod fixture {
    use std::path::Path;

    use kittengrad_pki::{
        authority::{Authority, default_validity},
        credentials::Credentials,
        directory::Admission,
    };
    use kittengrad_proto::{
        certificate::{Role, transport_name},
        signed::Signer as _,
    };
    use kittengrad_service::clock::unix_ms;
    use quinn::{Connection, ConnectionError};

    use super::*;

    pub(in crate::link) fn admit(authority: &Authority, folder: &Path) -> Credentials {
        let admission = Admission {
            role: Role::Peer,
            name: "test",
            validity: default_validity(Role::Peer),
            existing_key: None,
            now_ms: unix_ms(),
        };
        authority.admit(&admission, folder).unwrap().credentials
    }

    pub(in crate::link) fn handshakes(credentials: &Credentials) -> Handshakes {
        Handshakes::new(credentials.clone(), &[PROTOCOL]).unwrap()
    }

    pub(in crate::link) fn listen(address: SocketAddr, credentials: &Credentials) -> Endpoint {
        bind(address, &handshakes(credentials)).unwrap()
    }

    /// Connects to `partner` at an address as `caller`.
    pub(in crate::link) async fn connect(
        endpoint: &Endpoint,
        address: SocketAddr,
        caller: &Credentials,
        partner: &Credentials,
    ) -> Result<Connection, ConnectionError> {
        let name = transport_name(&partner.key().public(), Role::Peer);
        let config = client_config(&handshakes(caller).configs(PROTOCOL).borrow()).unwrap();
        endpoint.connect_with(config, address, &name).unwrap().await
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use kittengrad_pki::{authority::Authority, tls};
    use kittengrad_service::clock::unix_ms;
    use tempfile::TempDir;

    use super::{
        fixture::{admit, connect, handshakes, listen},
        *,
    };

    /// The time after which a hanging test fails.
    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_newer_tls_configuration_counts_for_the_next_link() {
        tls::install_provider();
        let dir = TempDir::new().unwrap();
        let generate = |name| Authority::generate(name, unix_ms()).unwrap().0;
        let (authority, other) = (generate("test"), generate("other"));
        let [ours, theirs] =
            ["ours", "theirs"].map(|name| admit(&authority, &dir.path().join(name)));
        let foreign = admit(&other, &dir.path().join("foreign"));
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listening, dialling) = (listen(anywhere, &ours), listen(anywhere, &theirs));
        let address = listening.local_addr().unwrap();
        let configs = |of: &_| handshakes(of).configs(PROTOCOL).borrow().clone();
        let (newest, tls) = watch::channel(configs(&ours));
        tokio::spawn(follow_tls(listening.clone(), tls));
        tokio::spawn(async move {
            // Accepted connections must stay open, so they are kept.
            let mut connections = Vec::new();
            while let Some(incoming) = listening.accept().await {
                connections.extend(incoming.await);
            }
        });

        let open = connect(&dialling, address, &theirs, &ours).await.unwrap();
        newest.send_replace(configs(&foreign));
        let refused = async { while connect(&dialling, address, &theirs, &ours).await.is_ok() {} };
        timeout(DEADLINE, refused).await.unwrap();
        assert!(open.close_reason().is_none(), "an open link stays open");
        newest.send_replace(configs(&ours));
        let let_in = async { while connect(&dialling, address, &theirs, &ours).await.is_err() {} };
        timeout(DEADLINE, let_in).await.unwrap();
    }
}
