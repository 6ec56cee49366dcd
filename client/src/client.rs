//! The client: the state that all calls share.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kittengrad_client_core::routing::{Health, Patience};
use kittengrad_overlay::{
    file::{NetworkError, NetworkFile},
    view::View,
};
use kittengrad_pki::credentials::{Credentials, CredentialsError, Paths, Warning};
use kittengrad_proto::{
    certificate::{CertificateError, Role, Root},
    id::PublicKey,
};
use thiserror::Error;
use tokio::sync::watch;
use tonic::Status;

use crate::{
    channel::{ChannelError, Channels, Member},
    clock::{Monotonic, wall_ms},
    config::{ClientConfig, Timeouts},
    fault::CallError,
    publisher::Publisher,
    vouched::Vouchers,
};

/// Why a client cannot be made. Nothing was sent.
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
    /// A publisher of the configuration cannot sign.
    #[error("publisher {name:?}: {error}")]
    Publisher {
        /// Its name in the configuration.
        name: String,
        /// The error.
        error: CertificateError,
    },
    /// The aggregator of the configuration is not in the network file.
    #[error("{key} is not an aggregator in the network file")]
    Aggregator {
        /// Its key.
        key: PublicKey,
    },
}

/// Access to a network: routes, signs, retries, merges and verifies. Cheap to clone; all clones share one state.
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

/// The state that all clones of a client share.
pub(crate) struct Shared {
    /// The root certificate, in which every chain ends.
    pub(crate) root: Root,
    /// The newest view. It is replaced as a whole when the client hears of newer identities.
    pub(crate) views: watch::Sender<Arc<View>>,
    channels: Channels,
    publishers: Vec<Publisher>,
    pub(crate) vouchers: Vouchers,
    pub(crate) timeouts: Timeouts,
    pub(crate) clock: Monotonic,
    /// Short-lived lock, never held while waiting.
    health: Mutex<Health>,
    aggregator: Option<PublicKey>,
    warnings: Vec<Warning>,
}

impl Client {
    /// Reads the files that `config` names and prepares calls. Connections are made on first use.
    ///
    /// # Errors
    /// If a file is missing or wrong, or files belong to different networks.
    pub fn connect(config: &ClientConfig) -> Result<Self, ConnectError> {
        let file = NetworkFile::load(&config.network, fs::read_to_string)?;
        let view = file.view()?;
        let mut warnings = Vec::new();
        let mut load = |dir: &PathBuf| {
            let loaded = Credentials::load(&Paths::in_dir(dir), Role::Client, wall_ms())?;
            warnings.extend(loaded.warnings);
            let expected = file.root().network();
            loaded.credentials.check_network(expected, Some(dir))?;
            Ok::<_, ConnectError>(loaded.credentials)
        };
        let credentials = load(&config.credentials)?;
        let mut publishers = Vec::new();
        for publisher in &config.publishers {
            let (name, credentials) = (publisher.name.clone(), load(&publisher.credentials)?);
            let made = Publisher::new(name.clone(), credentials);
            publishers.push(made.map_err(|error| ConnectError::Publisher { name, error })?);
        }
        let aggregator = config.aggregator_key();
        if let Some(key) =
            aggregator.filter(|key| view.aggregators().all(|found| found.key != *key))
        {
            return Err(ConnectError::Aggregator { key });
        }
        let root = file.root().clone();
        let mut client = Self::shared(root, view, credentials, publishers, config.timeouts)?;
        (client.aggregator, client.warnings) = (aggregator, warnings);
        Ok(Self {
            shared: Arc::new(client),
        })
    }

    /// A client of the network below `root`, which calls with `credentials` and signs for `publishers`. Without
    /// publishers, it signs with `credentials` if these are of a client.
    ///
    /// # Errors
    /// If TLS refuses the credentials, or they are below another root.
    pub fn new(
        root: Root,
        view: View,
        credentials: Credentials,
        publishers: Vec<Publisher>,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            shared: Arc::new(Self::shared(root, view, credentials, publishers, timeouts)?),
        })
    }

    fn shared(
        root: Root,
        view: View,
        credentials: Credentials,
        mut publishers: Vec<Publisher>,
        timeouts: Timeouts,
    ) -> Result<Shared, ConnectError> {
        credentials.check_network(root.network(), None)?;
        if publishers.is_empty()
            && let Ok(own) = Publisher::new(credentials.holder().name.clone(), credentials.clone())
        {
            publishers.push(own);
        }
        Ok(Shared {
            vouchers: Vouchers::new(root.clone()),
            root,
            views: watch::Sender::new(Arc::new(view)),
            channels: Channels::new(credentials)?,
            publishers,
            timeouts,
            clock: Monotonic::start(),
            health: Mutex::default(),
            aggregator: None,
            warnings: Vec::new(),
        })
    }

    /// The newest view of the ring.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.shared.views.borrow())
    }

    /// A channel with the newest view.
    #[must_use]
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.shared.views.subscribe()
    }

    /// The root certificate, in which every chain ends.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.shared.root
    }

    /// The publishers whose keys this client has, in the order of the configuration.
    #[must_use]
    pub fn publishers(&self) -> &[Publisher] {
        &self.shared.publishers
    }

    /// The publisher with this name in the configuration.
    #[must_use]
    pub fn publisher(&self, name: &str) -> Option<&Publisher> {
        self.shared
            .publishers
            .iter()
            .find(|publisher| publisher.name() == name)
    }

    /// The aggregator to ask: the one in the configuration, else the first of the network.
    #[must_use]
    pub fn aggregator(&self) -> Option<PublicKey> {
        self.shared
            .aggregator
            .or_else(|| self.view().aggregators().next().map(|found| found.key))
    }

    /// Warnings about the credentials, for the user.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.shared.warnings
    }

    /// The channel to a member, for calls that have no method here.
    ///
    /// # Errors
    /// [`CallError::Stranger`] if it is not a member, [`CallError::Unreachable`] if it has no gRPC address.
    ///
    /// # Panics
    /// Outside of a tokio runtime: a new channel spawns a task.
    pub fn member(&self, key: &PublicKey) -> Result<Member, CallError> {
        let view = self.view();
        let identity = view.member(key).ok_or(CallError::Stranger { peer: *key })?;
        let unreachable = |e: ChannelError| CallError::Unreachable {
            peer: *key,
            why: e.to_string(),
        };
        self.shared.channels.member(identity).map_err(unreachable)
    }

    /// Converts the status of a failed call to `peer`.
    pub(crate) fn error(&self, peer: PublicKey, status: &Status) -> CallError {
        CallError::of(peer, status, self.view().overlay())
    }

    /// The patience of reads.
    pub(crate) fn read_patience(&self) -> Patience {
        Patience {
            call_ms: self.shared.timeouts.read_ms,
            ..Patience::READ
        }
    }

    /// The patience of writes.
    pub(crate) fn write_patience(&self) -> Patience {
        Patience {
            call_ms: self.shared.timeouts.write_ms,
            ..Patience::WRITE
        }
    }

    /// The health of replicas, learnt from calls.
    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.shared
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.view().overlay())
    }
}
