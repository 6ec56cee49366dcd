//! TLS configurations for handshakes, behind channels. A renewed certificate and a new revocation list apply to the
//! next connection, without a restart.

use std::{sync::Arc, time::Duration};

use kittengrad_pki::{
    credentials::Credentials,
    tls::{Revocations, TlsError, client_config, server_config},
    transport::{Transport, TransportError},
};
use thiserror::Error;
use tokio::{sync::watch, time::sleep};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::clock;

/// The ALPN name of gRPC, which is that of HTTP/2.
pub const GRPC: &[u8] = b"h2";
/// How often to check whether the certificate is due for renewal, weeks before its end. Short steps, because a clock
/// may be set and a machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why handshakes cannot be prepared. Nothing changed.
#[derive(Debug, Error)]
pub enum HandshakesError {
    /// The transport certificate cannot be issued.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// TLS refuses certificates or revocation lists.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The TLS configurations of one protocol, for one connection. The next connection may have others.
#[derive(Debug, Clone)]
pub struct TlsConfigs {
    /// For accepted connections.
    pub server: Arc<ServerConfig>,
    /// For outgoing connections.
    pub client: Arc<ClientConfig>,
}

/// The certificate and the revocations of a process, and a TLS configuration channel for each of its protocols.
pub struct Handshakes {
    credentials: Credentials,
    /// Renewed by [`Handshakes::keep_fresh`]. The configurations share it and show its newest certificate.
    transport: Arc<Transport>,
    /// One for each protocol, with its ALPN name.
    channels: Vec<(&'static [u8], watch::Sender<TlsConfigs>)>,
}

impl Handshakes {
    /// Issues a transport certificate for `credentials`, and makes a configuration channel for each of `protocols`.
    ///
    /// # Errors
    /// If the credentials are not in force, or TLS refuses them.
    pub fn new(
        credentials: Credentials,
        protocols: &[&'static [u8]],
    ) -> Result<Self, HandshakesError> {
        let transport = Transport::of(&credentials, clock::unix_ms())?;
        let channel = |protocol: &&'static [u8]| -> Result<_, TlsError> {
            let configs = configs(&transport, &Revocations::default(), protocol)?;
            Ok((*protocol, watch::Sender::new(configs)))
        };
        let channels = protocols.iter().map(channel);
        let channels = channels.collect::<Result<_, TlsError>>()?;
        Ok(Self {
            credentials,
            transport,
            channels,
        })
    }

    /// The channel of a protocol. Read its value again for each connection.
    ///
    /// # Panics
    /// If `protocol` is not one of those given to [`Handshakes::new`].
    #[must_use]
    pub fn configs(&self, protocol: &[u8]) -> watch::Receiver<TlsConfigs> {
        let channel = self.channels.iter().find(|(name, _)| *name == protocol);
        let (_, channel) = channel.expect("the protocol was given to Handshakes::new");
        channel.subscribe()
    }

    /// The credentials behind the handshakes.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Checks certificates against these lists, from the next handshake on. Open connections stay open.
    ///
    /// # Errors
    /// If TLS refuses a list. The earlier lists stay in force then.
    pub fn revoke(&self, revocations: &Revocations) -> Result<(), TlsError> {
        let newer =
            |(protocol, _): &(&'static [u8], _)| configs(&self.transport, revocations, protocol);
        let newer: Vec<_> = self.channels.iter().map(newer).collect::<Result<_, _>>()?;
        for ((_, channel), configs) in self.channels.iter().zip(newer) {
            channel.send_replace(configs);
        }
        Ok(())
    }

    /// Renews the certificate before it ends, for as long as this future is polled. It never returns.
    pub async fn keep_fresh(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let now_ms = clock::unix_ms();
            if now_ms < self.transport.renew_at_ms() {
                continue;
            }
            if let Err(error) = self.transport.renew(&self.credentials, now_ms) {
                tracing::error!(%error, "the transport certificate cannot be renewed");
            }
        }
    }
}

fn configs(
    transport: &Arc<Transport>,
    revocations: &Revocations,
    protocol: &[u8],
) -> Result<TlsConfigs, TlsError> {
    Ok(TlsConfigs {
        server: Arc::new(server_config(transport, revocations, &[protocol])?),
        client: Arc::new(client_config(transport, revocations, &[protocol])?),
    })
}
