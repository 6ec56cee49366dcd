//! Channels: gRPC over TLS 1.3 with certificates on both sides. Each member has one connection, made on first use.
//!
//! tonic is built without its own TLS. The connector here opens the connection with the server name of the member's
//! transport leaf, and checks key and role after the handshake.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use kittengrad_pki::{
    credentials::Credentials,
    tls::{self, Revocations, TlsError},
    transport::{Transport, TransportError},
};
use kittengrad_proto::{
    certificate::{Role, Root},
    id::{Id, PublicKey},
    identity::Identity,
    limits::MESSAGE_BYTES_MAX,
    wire::{
        journal_client::JournalClient, routing_client::RoutingClient, store_client::StoreClient,
    },
};
use rustls::ClientConfig;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::clock::wall_ms;

/// Time for TCP and TLS together (S11 in `docs/promises.md`).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time between probes of a quiet connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Time for the answer to a probe.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A transport leaf with less time left is replaced, in milliseconds.
const RENEW_BEFORE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Bytes that one stream may send before its reader takes them.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bytes that one connection may send before its readers take them.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Bytes of the headers of one answer, which include statuses with details.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;
const ALPN: &[&[u8]] = &[b"h2"];

/// Why a channel cannot be made. Nothing changed.
#[derive(Debug, Clone, Error)]
pub enum ChannelError {
    /// The member has no gRPC address.
    #[error("{role} {key:?} has no gRPC address; `kittengrad network add` sets it")]
    NoAddress {
        /// The member.
        key: PublicKey,
        /// Its role.
        role: Role,
    },
    /// The credentials cannot be used in TLS.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// TLS refuses the credentials.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The certificate that this process presents in TLS. A new one is made before it expires.
struct Caller {
    credentials: Credentials,
    root: Root,
    /// The configuration in use, and the Unix time in milliseconds at which to replace it.
    config: Mutex<(Arc<ClientConfig>, u64)>,
}

impl Caller {
    fn new(credentials: Credentials, now_ms: u64) -> Result<Self, ChannelError> {
        let config = Mutex::new(Self::configure(&credentials, now_ms)?);
        Ok(Self {
            root: credentials.root().clone(),
            credentials,
            config,
        })
    }

    fn configure(
        credentials: &Credentials,
        now_ms: u64,
    ) -> Result<(Arc<ClientConfig>, u64), ChannelError> {
        let transport = Transport::of(credentials, now_ms)?;
        let config = tls::client_config(&transport, &Revocations::default(), ALPN)?;
        let end_ms = transport.holder().not_after_ms;
        // A leaf cannot outlive the credentials. Their last leaf is used until it expires.
        let is_renewable = end_ms < credentials.holder().not_after_ms;
        let renew_at_ms = if is_renewable {
            end_ms.saturating_sub(RENEW_BEFORE_MS)
        } else {
            u64::MAX
        };
        Ok((Arc::new(config), renew_at_ms))
    }

    fn config(&self, now_ms: u64) -> Result<Arc<ClientConfig>, ChannelError> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms >= config.1 {
            *config = Self::configure(&self.credentials, now_ms)?;
        }
        Ok(Arc::clone(&config.0))
    }
}

/// The channels of one process, each made on first use and kept.
pub struct Channels {
    caller: Arc<Caller>,
    /// By key and address, so that a member with a new address gets a new connection. Short-lived lock, never held
    /// while waiting.
    members: Mutex<BTreeMap<(PublicKey, String), Member>>,
}

impl Channels {
    /// Prepares calls with the identity of `credentials`.
    ///
    /// # Errors
    /// If the credentials are expired or TLS refuses them.
    pub fn new(credentials: Credentials) -> Result<Self, ChannelError> {
        let caller = Arc::new(Caller::new(credentials, wall_ms())?);
        Ok(Self {
            caller,
            members: Mutex::default(),
        })
    }

    /// The channel to a member. A new channel connects on its first call.
    ///
    /// # Errors
    /// If the member has no gRPC address.
    ///
    /// # Panics
    /// Outside of a tokio runtime: a new channel spawns a task.
    pub fn member(&self, identity: &Identity) -> Result<Member, ChannelError> {
        let address = &identity.addresses.grpc;
        let no_address = ChannelError::NoAddress {
            key: identity.key,
            role: identity.role,
        };
        if address.is_empty() {
            return Err(no_address);
        }
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (identity.key, address.clone());
        if let Some(member) = members.get(&place) {
            return Ok(member.clone());
        }
        let member = Member::new(identity, Arc::clone(&self.caller)).ok_or(no_address)?;
        members.insert(place, member.clone());
        Ok(member)
    }
}

/// A member and the connection to it.
#[derive(Clone)]
pub struct Member {
    key: PublicKey,
    channel: Channel,
    told: Arc<Told>,
}

/// The chains that were sent over the open connection.
#[derive(Default)]
struct Told {
    /// Connections made so far; written only by the connector.
    connections: AtomicU64,
    /// Chains sent over the connection with that number.
    chains: Mutex<(u64, BTreeSet<Id>)>,
}

/// The connections at one moment, to find out later whether a call used the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u64);

impl Member {
    fn new(identity: &Identity, caller: Arc<Caller>) -> Option<Self> {
        let (key, role) = (identity.key, identity.role);
        let name = kittengrad_proto::certificate::transport_name(&key, role);
        let endpoint = Endpoint::from_shared(format!("http://{name}")).ok()?;
        let endpoint = endpoint
            .origin(format!("https://{name}").parse().ok()?)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_header_list_size(HEADERS_BYTES_MAX);
        let told = Arc::new(Told::default());
        let (address, counted) = (identity.addresses.grpc.clone(), Arc::clone(&told));
        let channel = endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let (address, caller, counted) =
                (address.clone(), Arc::clone(&caller), Arc::clone(&counted));
            async move {
                let connected =
                    timeout(HANDSHAKE_TIMEOUT, connect(&address, key, role, &caller)).await;
                let stream = connected.map_err(|_| timed_out(&address))??;
                counted.connections.fetch_add(1, Ordering::AcqRel);
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        }));
        Some(Self { key, channel, told })
    }

    /// The member's key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Calls its `Store` service.
    #[must_use]
    pub fn store(&self) -> StoreClient<Channel> {
        let client = StoreClient::new(self.channel.clone());
        client
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Calls its `Routing` service.
    #[must_use]
    pub fn routing(&self) -> RoutingClient<Channel> {
        let client = RoutingClient::new(self.channel.clone());
        client
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Calls its `Journal` service.
    #[must_use]
    pub fn journal(&self) -> JournalClient<Channel> {
        let client = JournalClient::new(self.channel.clone());
        client
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The current connections. Call it before a call that sends a chain.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.told.connections.load(Ordering::Acquire))
    }

    /// Whether the chain was sent over the open connection.
    pub(crate) fn was_told(&self, chain: &Id) -> bool {
        let told = self
            .told
            .chains
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        told.0 == self.moment().0 && told.1.contains(chain)
    }

    /// Notes that a call that began at `before` sent the chain and was answered, if it certainly used the open
    /// connection.
    pub(crate) fn tell(&self, chain: Id, before: Moment) {
        let now = self.moment();
        // The first connection is made by the first call, so a call that began before it used it.
        if before != now && now != Moment(1) {
            return;
        }
        let mut told = self
            .told
            .chains
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if told.0 != now.0 {
            *told = (now.0, BTreeSet::new());
        }
        told.1.insert(chain);
    }
}

/// Opens one connection and checks the identity of the other end.
async fn connect(
    address: &str,
    key: PublicKey,
    role: Role,
    caller: &Caller,
) -> io::Result<TlsStream<TcpStream>> {
    let config = caller.config(wall_ms()).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(address)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("connect to {address}: {e}")))?;
    tcp.set_nodelay(true)?;
    let stream = TlsConnector::from(config)
        .connect(tls::server_name(&key, role), tcp)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("handshake with {address}: {e}")))?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let holder = tls::holder_of(certificates, &caller.root, wall_ms()).map_err(io::Error::other)?;
    holder.check_role(&[role]).map_err(io::Error::other)?;
    if holder.key != key {
        let found = holder.key;
        return Err(io::Error::other(format!(
            "{address} is {found:?}, {key:?} was asked for"
        )));
    }
    Ok(stream)
}

fn timed_out(address: &str) -> io::Error {
    let why = format!(
        "no connection to {address} within {} s",
        HANDSHAKE_TIMEOUT.as_secs()
    );
    io::Error::new(io::ErrorKind::TimedOut, why)
}
