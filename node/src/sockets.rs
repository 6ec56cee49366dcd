//! The sockets of a peer: bound before its store is opened, so that a second process on them changes nothing.

use std::{net::SocketAddr, sync::Arc};

use kittengrad_pki::{credentials::Credentials, transport::Transport};
use kittengrad_proto::identity::Addresses;
use kittengrad_service::{clock, listen::listen};
use quinn::Endpoint;
use tokio::net::TcpListener;

use crate::{config::Config, failure::RunError, link, run::Listening};

/// Everything that listens.
pub(crate) struct Sockets {
    pub(crate) transport: Arc<Transport>,
    pub(crate) grpc: TcpListener,
    pub(crate) http: TcpListener,
    pub(crate) quic: Endpoint,
    pub(crate) listening: Listening,
}

impl Sockets {
    pub(crate) async fn bind(
        config: &Config,
        addresses: &Addresses,
        credentials: &Credentials,
    ) -> Result<Self, RunError> {
        let transport = Transport::of(credentials, clock::unix_ms())?;
        let choose = |key, configured: Option<SocketAddr>, announced: &str| match configured {
            Some(address) => Ok(address),
            None => announced.parse().map_err(|_| RunError::Address {
                key,
                value: announced.to_owned(),
            }),
        };
        let listen_config = &config.listen;
        let grpc = choose("listen.grpc", listen_config.grpc, &addresses.grpc)?;
        let quic = choose("listen.quic", listen_config.quic, &addresses.quic)?;
        let http = choose("listen.http", listen_config.http, &addresses.http)?;
        let grpc_listener = listen(grpc, "listen.grpc").await?;
        let http_listener = listen(http, "listen.http").await?;
        let endpoint = link::bind(quic, &transport, credentials.key())?;
        let listening = Listening {
            grpc: grpc_listener.local_addr().unwrap_or(grpc),
            quic: endpoint.local_addr().unwrap_or(quic),
            http: http_listener.local_addr().unwrap_or(http),
        };
        Ok(Self {
            transport,
            grpc: grpc_listener,
            http: http_listener,
            quic: endpoint,
            listening,
        })
    }
}
