//! What handshakes are made with: TLS configurations behind channels, so that a renewed certificate and a list of
//! revoked ones reach the next connection of a process that runs.

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

/// The protocol of gRPC, as TLS names it.
pub const GRPC: &[u8] = b"h2";
/// How often it is looked whether the certificate is to be renewed, which it is weeks before it ends. In steps, because
/// a clock may be set and a machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why there is nothing to make handshakes with. Nothing changed.
#[derive(Debug, Error)]
pub enum HandshakesError {
    /// There is no certificate to show.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// TLS refuses certificates or revocation lists.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The configurations of one protocol, for one connection: the next one may have others.
#[derive(Debug, Clone)]
pub struct TlsConfigs {
    /// For connections that are accepted.
    pub server: Arc<ServerConfig>,
    /// For connections that are made.
    pub client: Arc<ClientConfig>,
}

/// What a process makes its handshakes with, for all its protocols: one certificate to show, one set of revocations.
pub struct Handshakes {
    credentials: Credentials,
    /// Renewed by [`Handshakes::keep_fresh`]; configurations go on showing what it has.
    transport: Arc<Transport>,
    /// One for each protocol, with its name.
    channels: Vec<(&'static [u8], watch::Sender<TlsConfigs>)>,
}

impl Handshakes {
    /// Prepares handshakes of the holder of `credentials`, and a configuration channel for each of `protocols`.
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

    /// The channel of a protocol. Its value is to be read anew for each connection.
    ///
    /// # Panics
    /// If the protocol is not one that these handshakes were made for.
    #[must_use]
    pub fn configs(&self, protocol: &[u8]) -> watch::Receiver<TlsConfigs> {
        let channel = self.channels.iter().find(|(name, _)| *name == protocol);
        let (_, channel) =
            channel.expect("handshakes are made for all protocols that are asked for");
        channel.subscribe()
    }

    /// Who makes the handshakes.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Checks certificates against these lists, from the next handshake on. Connections that are open stay as they are.
    ///
    /// # Errors
    /// If TLS refuses a list. The lists of before are asked then.
    pub fn revoke(&self, revocations: &Revocations) -> Result<(), TlsError> {
        let newer =
            |(protocol, _): &(&'static [u8], _)| configs(&self.transport, revocations, protocol);
        let newer: Vec<_> = self.channels.iter().map(newer).collect::<Result<_, _>>()?;
        for ((_, channel), configs) in self.channels.iter().zip(newer) {
            channel.send_replace(configs);
        }
        Ok(())
    }

    /// Shows a fresh certificate before the last one ends, for as long as it is awaited.
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
