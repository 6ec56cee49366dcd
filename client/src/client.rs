//! The client: what all calls share, and how one call finds its way.

use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::{StreamExt, stream::FuturesUnordered};
use kittengrad_client_core::routing::{Call, GiveUp, Health, Patience, Step};
use kittengrad_pki::credentials::{Credentials, CredentialsError, Paths, Warning};
use kittengrad_proto::{
    certificate::{CertificateError, Role},
    id::{Id, PublicKey},
};
use thiserror::Error;
use tokio::time::{sleep_until, timeout};
use tonic::Status;

use crate::{
    channel::{ChannelError, Channels, Member},
    clock::{Monotonic, random, wall_ms},
    config::{ClientConfig, Timeouts},
    fault::CallError,
    network::{Network, NetworkError},
    publisher::Publisher,
    vouched::Vouchers,
};

/// Why there is no client. Nothing was sent.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The network file is wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Key or certificates are wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Key or certificates cannot be used for connections.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The credentials hang on another root than the network file.
    #[error("credentials in {dir} are of network {found}, the network file is of {expected}", dir = dir.display())]
    OtherNetwork {
        /// Where the credentials are.
        dir: PathBuf,
        /// Their network.
        found: Id,
        /// The network of the file.
        expected: Id,
    },
    /// A publisher is none.
    #[error("publisher {name:?}: {error}")]
    Publisher {
        /// What the configuration calls it.
        name: String,
        /// What is wrong.
        error: CertificateError,
    },
    /// The aggregator named in the configuration is none.
    #[error("{key} is no aggregator of the network file")]
    Aggregator {
        /// The key named.
        key: PublicKey,
    },
}

/// A way into a network: routes, signs, retries, merges and verifies. Cheap to clone; all clones share everything.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kittengrad_client::{Client, config::ClientConfig, lookup::Consistency, submit::{Draft, SubmitOptions}};
/// use kittengrad_proto::record::{Canonical, CanonicalType, Record};
///
/// let client = Client::connect(&ClientConfig::load("client.toml".as_ref())?)?;
/// let work = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1035".to_owned());
/// let draft = Draft::insert(&Record::Canonical(work))?;
/// let canonical = draft.canonical;
///
/// let publisher = client.publishers()[0].key();
/// for outcome in client.submit(&publisher, vec![draft], SubmitOptions::default()).await? {
///     println!("on {} disks", outcome.result?.synced.len());
/// }
/// let found = client.lookup(&[canonical], Consistency::Quorum, true).await?;
/// println!("{} updates", found.answers[0].updates.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a client share.
pub(crate) struct Shared {
    /// Replaced whole when newer identities are heard of.
    network: ArcSwap<Network>,
    channels: Channels,
    publishers: Vec<Publisher>,
    pub(crate) vouchers: Vouchers,
    pub(crate) timeouts: Timeouts,
    clock: Monotonic,
    /// Short-lived lock, never held while waiting.
    health: Mutex<Health>,
    aggregator: Option<PublicKey>,
    warnings: Vec<Warning>,
}

impl Client {
    /// Reads what `config` names and prepares to call. Connections are made when they are needed.
    ///
    /// # Errors
    /// If a file is missing or wrong, or files do not fit each other.
    pub fn connect(config: &ClientConfig) -> Result<Self, ConnectError> {
        let network = Network::load(&config.network)?;
        let mut warnings = Vec::new();
        let mut load = |dir: &PathBuf| {
            let loaded = Credentials::load(&Paths::in_dir(dir), Role::Client, wall_ms())?;
            warnings.extend(loaded.warnings);
            let (found, expected) = (loaded.credentials.root().network(), network.root().network());
            if found != expected {
                return Err(ConnectError::OtherNetwork { dir: dir.clone(), found, expected });
            }
            Ok(loaded.credentials)
        };
        let credentials = load(&config.credentials)?;
        let mut publishers = Vec::new();
        for publisher in &config.publishers {
            let (name, credentials) = (publisher.name.clone(), load(&publisher.credentials)?);
            let made = Publisher::new(name.clone(), credentials);
            publishers.push(made.map_err(|error| ConnectError::Publisher { name, error })?);
        }
        let aggregator = config.aggregator_key();
        if let Some(key) = aggregator.filter(|key| network.aggregators().all(|found| found.key != *key)) {
            return Err(ConnectError::Aggregator { key });
        }
        let mut client = Self::shared(network, credentials, publishers, config.timeouts)?;
        (client.aggregator, client.warnings) = (aggregator, warnings);
        Ok(Self { shared: Arc::new(client) })
    }

    /// A client that calls as the holder of `credentials` and speaks for `publishers`. If there are none and the
    /// credentials are a client's, it speaks for itself.
    ///
    /// # Errors
    /// If the credentials cannot be shown in TLS or hang on another root.
    pub fn new(
        network: Network,
        credentials: Credentials,
        publishers: Vec<Publisher>,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectError> {
        Ok(Self { shared: Arc::new(Self::shared(network, credentials, publishers, timeouts)?) })
    }

    fn shared(
        network: Network,
        credentials: Credentials,
        mut publishers: Vec<Publisher>,
        timeouts: Timeouts,
    ) -> Result<Shared, ConnectError> {
        let (found, expected) = (credentials.root().network(), network.root().network());
        if found != expected {
            return Err(ConnectError::OtherNetwork { dir: PathBuf::new(), found, expected });
        }
        if publishers.is_empty()
            && let Ok(own) = Publisher::new(credentials.holder().name.clone(), credentials.clone())
        {
            publishers.push(own);
        }
        Ok(Shared {
            vouchers: Vouchers::new(network.root().clone()),
            network: ArcSwap::from_pointee(network),
            channels: Channels::new(credentials)?,
            publishers,
            timeouts,
            clock: Monotonic::start(),
            health: Mutex::default(),
            aggregator: None,
            warnings: Vec::new(),
        })
    }

    /// The network as it is known now.
    #[must_use]
    pub fn network(&self) -> Arc<Network> {
        self.shared.network.load_full()
    }

    /// The publishers that this client speaks for, in the order of the configuration.
    #[must_use]
    pub fn publishers(&self) -> &[Publisher] {
        &self.shared.publishers
    }

    /// The publisher of that name.
    #[must_use]
    pub fn publisher(&self, name: &str) -> Option<&Publisher> {
        self.shared.publishers.iter().find(|publisher| publisher.name() == name)
    }

    /// The aggregator to ask: the one configured, else the first of the network.
    #[must_use]
    pub fn aggregator(&self) -> Option<PublicKey> {
        self.shared.aggregator.or_else(|| self.network().aggregators().next().map(|found| found.key))
    }

    /// What the user should know about the credentials.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.shared.warnings
    }

    /// The channel to a member, to call what has no method here.
    ///
    /// # Errors
    /// [`CallError::Stranger`] if there is no such member, [`CallError::Unreachable`] if it does not listen.
    pub fn member(&self, key: &PublicKey) -> Result<Member, CallError> {
        let network = self.network();
        let identity = network.member(key).ok_or(CallError::Stranger { peer: *key })?;
        let unreachable = |e: ChannelError| CallError::Unreachable { peer: *key, why: e.to_string() };
        self.shared.channels.member(identity).map_err(unreachable)
    }

    /// What a failed call to `peer` means.
    pub(crate) fn error(&self, peer: PublicKey, status: &Status) -> CallError {
        CallError::of(peer, status, self.network().overlay())
    }

    /// Waits for one answer of `peer`, for as long as an attempt may take.
    pub(crate) async fn attempt<T>(
        &self,
        peer: PublicKey,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let after_ms = self.shared.timeouts.attempt_ms;
        match timeout(Duration::from_millis(after_ms), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TimedOut { peer, after_ms }),
        }
    }

    /// Asks members until enough of them answered, the call's patience is over, or nobody is left to ask.
    ///
    /// `route` says who may be asked in a network, the preferred first, and how many must answer; it is asked
    /// again when the ring turns out to have changed.
    pub(crate) async fn ask<T, A>(
        &self,
        patience: Patience,
        route: impl Fn(&Network) -> (Vec<PublicKey>, usize),
        ask: impl Fn(Member) -> A,
    ) -> Asked<T>
    where
        A: Future<Output = Result<T, CallError>>,
    {
        let now_ms = || self.shared.clock.now_ms();
        let (candidates, needed) = route(&self.network());
        let candidates = self.health().order(candidates, now_ms());
        let mut call = Call::new(patience, candidates, needed, now_ms());
        let mut asked = Asked { answers: Vec::new(), errors: Vec::new(), given_up: None };
        let mut running = FuturesUnordered::new();
        loop {
            let until_ms = match call.step(now_ms()) {
                Step::Done => return asked,
                Step::GiveUp(why) => {
                    asked.given_up = Some(why);
                    return asked;
                }
                Step::Ask(peer) => {
                    let answer = self.member(&peer).map(&ask);
                    running.push(async move {
                        let answer = match answer {
                            Ok(answer) => self.attempt(peer, answer).await,
                            Err(e) => Err(e),
                        };
                        (peer, answer)
                    });
                    continue;
                }
                Step::Reroute { told_by } => {
                    self.learn(&told_by, asked.errors.last()).await;
                    let (candidates, needed) = route(&self.network());
                    call.need(needed);
                    call.rerouted(self.health().order(candidates, now_ms()), now_ms());
                    continue;
                }
                Step::Wait { until_ms } => until_ms,
            };
            tokio::select! {
                Some((peer, answer)) = running.next() => match answer {
                    Ok(answer) => {
                        self.health().answered(peer);
                        call.answered(peer);
                        asked.answers.push((peer, answer));
                    }
                    Err(error) => {
                        let (trouble, random) = (error.trouble(), random());
                        tracing::debug!(peer = ?peer, %error, "a replica did not answer well");
                        self.health().failed(peer, trouble, now_ms(), random);
                        call.failed(peer, trouble, now_ms(), random);
                        asked.errors.push(error);
                    }
                },
                () = sleep_until(self.shared.clock.at(until_ms)) => {}
            }
        }
    }

    /// How patient this client is with reads.
    pub(crate) fn read_patience(&self) -> Patience {
        Patience { call_ms: self.shared.timeouts.read_ms, ..Patience::READ }
    }

    /// How patient this client is with writes.
    pub(crate) fn write_patience(&self) -> Patience {
        Patience { call_ms: self.shared.timeouts.write_ms, ..Patience::WRITE }
    }

    /// Learns the ring from a member that knows another one: from what it refused with and from what it says
    /// when asked. Whatever does not verify is left out; the call then goes on with the ring as it was.
    async fn learn(&self, told_by: &PublicKey, error: Option<&CallError>) {
        let mut heard = match error {
            Some(CallError::Refused { responsible, .. }) => {
                responsible.iter().flat_map(|replicas| replicas.peers.iter().cloned()).collect()
            }
            _ => Vec::new(),
        };
        match self.ring_of(told_by).await {
            Ok(view) => heard.extend(view.members),
            Err(error) => tracing::debug!(peer = ?told_by, %error, "the ring cannot be learnt"),
        }
        if let Err(error) = self.take_in(heard) {
            tracing::warn!(peer = ?told_by, %error, "a peer tells of members that do not verify");
        }
    }

    /// Takes newer identities into the network.
    pub(crate) fn take_in(
        &self,
        heard: Vec<kittengrad_proto::identity::Identity>,
    ) -> Result<(), kittengrad_proto::identity::IdentityError> {
        if let Some(newer) = self.network().learn(heard)? {
            self.shared.network.store(Arc::new(newer));
        }
        Ok(())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.network().overlay())
    }
}

/// What came of asking several members.
pub(crate) struct Asked<T> {
    /// Good answers, in the order in which they came.
    pub(crate) answers: Vec<(PublicKey, T)>,
    /// Everything that went wrong, in order.
    pub(crate) errors: Vec<CallError>,
    /// Why there are fewer answers than needed; `None` if there are enough.
    pub(crate) given_up: Option<GiveUp>,
}
