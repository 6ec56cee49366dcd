//! A whole process, from its files to its end, with a network that does not run.

use std::path::{Path, PathBuf};

use kittengrad_indexer::{
    config::{Config, IndexConfig, Listen},
    run::{Listening, RunError, run},
};
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{
    authority::Authority,
    credentials::{Credentials, Paths},
};
use kittengrad_proto::{certificate::Role, id::PublicKey, identity::Addresses, namespace::Overlay};
use kittengrad_ring::Replicas;
use kittengrad_support::{
    authority::{admit_into, authority_in, identity},
    clock::unix_ms,
    ports::free_tcp,
    wait::{soon, until},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::world::get;

/// A network in a folder: a peer, and an aggregator if wanted. No member listens.
pub(crate) struct Network {
    folder: tempfile::TempDir,
    authority: Authority,
    file: NetworkFile,
}

impl Network {
    /// A network with an aggregator at this address, and the aggregator's credentials.
    pub(crate) fn with_aggregator_at(grpc: &str) -> (Self, Credentials) {
        let mut network = Self::new(false);
        let folder = network.add(Role::Aggregator, grpc, "");
        let paths = Paths::in_dir(&folder);
        let loaded = Credentials::load(&paths, Role::Aggregator, unix_ms()).unwrap();
        (network, loaded.credentials)
    }

    pub(crate) fn overlay(&self) -> Overlay {
        self.file.overlay().clone()
    }

    fn new(has_aggregator: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority_in(&folder.path().join("ca"));
        let root = authority.root().clone();
        let file = NetworkFile::new("demo".parse().unwrap(), root, Replicas::default());
        let mut network = Self {
            folder,
            authority,
            file,
        };
        network.add(Role::Peer, "127.0.0.1:1", "");
        if has_aggregator {
            network.add(Role::Aggregator, "127.0.0.1:1", "");
        }
        network
    }

    pub(crate) fn admit(&self, role: Role, name: &str) -> (PathBuf, Credentials) {
        let folder = self.folder.path().join(name);
        let credentials = admit_into(&folder, &self.authority, role);
        (folder, credentials)
    }

    fn add(&mut self, role: Role, grpc: &str, http: &str) -> PathBuf {
        let (folder, credentials) = self.admit(role, role.as_str());
        let addresses = Addresses {
            grpc: grpc.to_owned(),
            http: http.to_owned(),
            ..Addresses::default()
        };
        let identity = identity(self.file.overlay(), &credentials, 1, addresses);
        self.file.add(identity).unwrap();
        std::fs::write(self.folder.path().join("network.toml"), self.file.to_toml()).unwrap();
        folder
    }

    pub(crate) fn config(&self, credentials: PathBuf) -> Config {
        Config {
            network: self.folder.path().join("network.toml"),
            credentials,
            data: self.folder.path().join("data"),
            aggregator: None,
            listen: Listen {
                http: Some(([127, 0, 0, 1], 0).into()),
            },
            index: IndexConfig {
                memory_mib: 16,
                reserve_mib: 0,
            },
        }
    }
}

/// Runs an indexer that must fail; returns its error.
async fn refusal(config: Config) -> RunError {
    let (listening, _) = oneshot::channel();
    let running = run(config, CancellationToken::new(), listening);
    soon(running).await.unwrap_err()
}

/// Runs an indexer; returns its address, the token that stops it, and its task.
pub(crate) async fn running(
    config: Config,
) -> (
    String,
    CancellationToken,
    tokio::task::JoinHandle<Result<(), RunError>>,
) {
    let (listening, listens) = oneshot::channel::<Listening>();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(run(config, shutdown.clone(), listening));
    (
        format!("http://{}", listens.await.unwrap().http),
        shutdown,
        task,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_an_indexer_serves_its_index() {
    let network = Network::new(true);
    let (credentials, _) = network.admit(Role::Indexer, "indexer");
    let (url, shutdown, task) = running(network.config(credentials)).await;
    let text = async |path: &str| get(&format!("{url}{path}")).await.text().await.unwrap();
    assert!(text("/").await.contains("Kittengrad"));
    assert!(text("/api/search?q=turner").await.contains("\"total\":0"));
    until("the aggregator is tried", async || {
        text("/readyz").await.contains("cannot be reached")
    })
    .await;
    let ring: serde_json::Value = serde_json::from_str(&text("/api/ring").await).unwrap();
    assert_eq!(ring["peers"][0]["state"], "unreachable");
    assert_eq!(ring["aggregators"][0]["state"], "unreachable");
    assert_eq!(
        (&ring["cover"], ring["uncovered"].as_array().unwrap().len()),
        (&serde_json::json!([]), 1)
    );
    let feed = get(&format!("{url}/api/feed")).await;
    shutdown.cancel();
    task.await.unwrap().unwrap();
    feed.text().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_where_the_network_file_announces_it() {
    let mut network = Network::new(true);
    let free = free_tcp();
    let credentials = network.add(Role::Indexer, "", &free.to_string());
    let config = Config {
        listen: Listen::default(),
        ..network.config(credentials)
    };
    let (url, shutdown, task) = running(config).await;
    assert_eq!(url, format!("http://{free}"));
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_by_name() {
    let network = Network::new(true);
    let (credentials, _) = network.admit(Role::Indexer, "indexer");
    let config = network.config(credentials);
    let check = async |config: Config, parts: &[&str]| {
        let error = refusal(config).await.to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };

    let nowhere = Path::new("/nowhere/network.toml").to_owned();
    check(
        Config {
            network: nowhere,
            ..config.clone()
        },
        &["/nowhere/network.toml"],
    )
    .await;
    let (client, _) = network.admit(Role::Client, "client");
    check(
        Config {
            credentials: client,
            ..config.clone()
        },
        &["indexer", "client"],
    )
    .await;
    let stranger = Some(PublicKey::new([7; 32]).to_string());
    check(
        Config {
            aggregator: stranger,
            ..config.clone()
        },
        &["0707", "not in the network file"],
    )
    .await;

    let lonely = Network::new(false);
    let (credentials, _) = lonely.admit(Role::Indexer, "indexer");
    check(
        lonely.config(credentials),
        &["lists no aggregator", "kittengrad network add"],
    )
    .await;
    let other = Network::new(true);
    let (credentials, _) = other.admit(Role::Indexer, "indexer");
    check(
        Config {
            credentials,
            ..config.clone()
        },
        &["credentials in", "network"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_a_directory_in_use_is_named() {
    let network = Network::new(true);
    let (credentials, _) = network.admit(Role::Indexer, "indexer");
    let config = network.config(credentials);
    let (url, shutdown, task) = running(config.clone()).await;
    let address = url.trim_start_matches("http://").to_owned();

    let error = refusal(config.clone()).await.to_string();
    assert!(error.contains("is in use by another process"), "{error}");
    let taken = Listen {
        http: Some(address.parse().unwrap()),
    };
    let error = refusal(Config {
        listen: taken,
        ..config.clone()
    })
    .await
    .to_string();
    assert!(
        error.contains(&address) && error.contains("listen.http"),
        "{error}"
    );

    shutdown.cancel();
    task.await.unwrap().unwrap();
    let other = Network::new(true);
    let (credentials, _) = other.admit(Role::Indexer, "indexer");
    let error = refusal(Config {
        data: config.data,
        ..other.config(credentials)
    })
    .await
    .to_string();
    assert!(error.contains("belongs to \"demo\" of network"), "{error}");
}
