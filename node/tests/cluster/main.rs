//! Real peers on loopback: QUIC, gRPC, certificates and RocksDB, in one process.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kittengrad_client::{
    Client,
    config::Timeouts,
    lookup::Consistency,
    submit::{Draft, SubmitOptions},
};
use kittengrad_node::{config::Config, run};
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::{Paths, read_key},
    directory::{Admission, InitOptions},
};
use kittengrad_proto::{
    certificate::Role,
    error::{ErrorCode, ErrorDetail},
    id::{PublicKey, RecordId},
    identity::{Addresses, Identity, IdentityFields, State},
    limits::{CREATED_AHEAD_MS_MAX, CREATED_PAST_MS_MAX},
    record::{Canonical, CanonicalType, Record},
    transaction::{Entry, Envelope, POLICY, Transaction},
    wire,
};
use kittengrad_ring::Replicas;
use kittengrad_service::clock::unix_ms;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A peer that runs, and the way to stop it.
type Running = (CancellationToken, JoinHandle<Result<(), run::RunError>>);

struct Cluster {
    dir: TempDir,
    keys: Vec<PublicKey>,
    running: Vec<Option<Running>>,
}

impl Cluster {
    fn prepare(peers: usize) -> Self {
        kittengrad_pki::tls::install_provider();
        let dir = TempDir::new().unwrap();
        let options = InitOptions {
            name: "test".to_owned(),
            now_ms: unix_ms(),
        };
        let authority = Authority::init(&dir.path().join("ca"), &options)
            .unwrap()
            .authority;
        let replicas = Replicas::default();
        let mut file =
            NetworkFile::new("test".parse().unwrap(), authority.root().clone(), replicas);
        let mut keys = Vec::new();
        for number in 0..peers {
            let folder = dir.path().join(number.to_string());
            let admitted = admit(&authority, Role::Peer, &folder);
            let fields = IdentityFields {
                seq: 1,
                state: State::Active,
                role: Role::Peer,
                addresses: Addresses {
                    grpc: tcp(),
                    quic: udp(),
                    http: tcp(),
                },
                chain: admitted.chain().clone(),
            };
            let identity = Identity::sign(file.overlay(), &fields, admitted.key()).unwrap();
            keys.push(identity.key);
            file.add(identity).unwrap();
            std::fs::write(
                folder.join("peer.toml"),
                "network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n[store]\nreserve_mib = 1\n",
            )
            .unwrap();
        }
        admit(&authority, Role::Client, &dir.path().join("client"));
        std::fs::write(dir.path().join("network.toml"), file.to_toml()).unwrap();
        Self {
            dir,
            keys,
            running: (0..peers).map(|_| None).collect(),
        }
    }

    async fn start(&mut self, peer: usize) {
        let config = Config::load(&self.folder(peer).join("peer.toml")).unwrap();
        let (listening, listens) = oneshot::channel();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run::run(config, shutdown.clone(), listening));
        if listens.await.is_err() {
            panic!("peer {peer} does not start: {:?}", running.await);
        }
        self.running[peer] = Some((shutdown, running));
    }

    async fn stop(&mut self, peer: usize) {
        let (shutdown, running) = self.running[peer].take().unwrap();
        shutdown.cancel();
        running.await.unwrap().unwrap();
        // A task of the endpoint's own lets go of the socket, when nothing uses it any more.
        let view = self.network().view().unwrap();
        let identity = view.member(&self.keys[peer]).unwrap();
        until("its port is free", async || {
            UdpSocket::bind(&identity.addresses.quic).is_ok()
        })
        .await;
    }

    fn folder(&self, peer: usize) -> PathBuf {
        self.dir.path().join(peer.to_string())
    }

    fn network(&self) -> NetworkFile {
        let path = self.dir.path().join("network.toml");
        NetworkFile::load(&path, std::fs::read_to_string).unwrap()
    }

    fn client(&self) -> Client {
        let network = self.network();
        let paths = Paths::in_dir(&self.dir.path().join("client"));
        let loaded =
            kittengrad_pki::credentials::Credentials::load(&paths, Role::Client, unix_ms())
                .unwrap();
        let (root, view) = (network.root().clone(), network.view().unwrap());
        let timeouts = Timeouts::default();
        Client::new(root, view, loaded.credentials, Vec::new(), timeouts).unwrap()
    }

    /// Waits until every running peer says that it is settled.
    async fn until_settled(&self, client: &Client) {
        for (peer, running) in self.keys.iter().zip(&self.running) {
            if running.is_some() {
                until("a peer is settled", async || {
                    client
                        .lookup_at(peer, &[held_by(client, peer)], false)
                        .await
                        .is_ok()
                })
                .await;
            }
        }
    }
}

/// Some canonical that a peer holds.
fn held_by(client: &Client, peer: &PublicKey) -> RecordId {
    let view = client.view();
    (0_u32..)
        .map(|n| RecordId::of(&n.to_be_bytes()))
        .find(|canonical| {
            view.holders(canonical)
                .iter()
                .any(|holder| holder.key == *peer)
        })
        .unwrap()
}

fn admit(
    authority: &Authority,
    role: Role,
    folder: &Path,
) -> kittengrad_pki::credentials::Credentials {
    let validity = default_validity(role);
    let admission = Admission {
        role,
        name: "test",
        validity,
        existing_key: None,
        now_ms: unix_ms(),
    };
    authority.admit(&admission, folder).unwrap().credentials
}

fn tcp() -> String {
    free(|address| TcpListener::bind(address).is_ok())
}

fn udp() -> String {
    free(|address| UdpSocket::bind(address).is_ok())
}

/// An address that is free and below those that the system gives to outgoing connections, so that it is still free
/// after a restart. No two tests of one process get the same.
fn free(is_free: impl Fn(SocketAddr) -> bool) -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 22_000 + u16::try_from(std::process::id() % 80).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_free(address) {
            return address.to_string();
        }
    }
}

impl Drop for Cluster {
    /// Waits for every peer: RocksDB does not bear a process that ends under it.
    fn drop(&mut self) {
        let running: Vec<_> = self.running.iter_mut().filter_map(Option::take).collect();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for (shutdown, running) in running {
                    shutdown.cancel();
                    let _ = running.await;
                }
            });
        });
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn canonical(number: usize) -> Record {
    Record::Canonical(Canonical::identified(
        CanonicalType::Entity,
        format!("test:{number}"),
    ))
}

/// Keeps S1.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_at_every_replica_also_after_a_restart() {
    let mut cluster = Cluster::prepare(3);
    for peer in 0..3 {
        cluster.start(peer).await;
    }
    let client = cluster.client();
    cluster.until_settled(&client).await;
    let publisher = client.publishers()[0].key();
    let drafts: Vec<_> = (0..50)
        .map(|n| Draft::insert(&canonical(n)).unwrap())
        .collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.canonical).collect();
    let options = SubmitOptions {
        receipt: true,
        ..SubmitOptions::default()
    };
    for outcome in client.submit(&publisher, drafts, options).await.unwrap() {
        let submitted = outcome.result.unwrap();
        assert!(
            submitted.acknowledged && submitted.synced.len() >= 2,
            "{submitted:?}"
        );
        assert!(submitted.receipt.is_some());
    }

    cluster.stop(0).await;
    let more: Vec<_> = (50..80)
        .map(|n| Draft::insert(&canonical(n)).unwrap())
        .collect();
    let more_ids: Vec<_> = more.iter().map(|draft| draft.canonical).collect();
    for outcome in client
        .submit(&publisher, more, SubmitOptions::default())
        .await
        .unwrap()
    {
        assert!(
            outcome.result.unwrap().acknowledged,
            "two of three are enough"
        );
    }
    cluster.start(0).await;
    for peer in &cluster.keys.clone() {
        until("every replica has everything", async || {
            let all: Vec<_> = ids.iter().chain(&more_ids).copied().collect();
            let answers = client.lookup_at(peer, &all, true).await;
            answers.is_ok_and(|answers| {
                answers
                    .answers
                    .iter()
                    .all(|a| a.exists && a.record.is_some())
            })
        })
        .await;
    }
    let answers = client.lookup(&ids, Consistency::All, true).await.unwrap();
    assert!(answers.answers.iter().all(|answer| answer.complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_carry_the_certificates_that_peers_have_now_and_not_those_of_the_network_file() {
    let mut cluster = Cluster::prepare(3);
    let authority = Authority::open(&cluster.dir.path().join("ca")).unwrap();
    let mut renewed = Vec::new();
    for peer in 0..3 {
        let paths = Paths::in_dir(&cluster.folder(peer));
        let admission = Admission {
            role: Role::Peer,
            name: "renewed",
            validity: default_validity(Role::Peer),
            existing_key: Some(read_key(&paths.key).unwrap()),
            now_ms: unix_ms(),
        };
        let admitted = authority.admit(&admission, &cluster.folder(peer)).unwrap();
        renewed.push(admitted.credentials.chain().id());
    }
    for peer in 0..3 {
        cluster.start(peer).await;
    }
    let client = cluster.client();
    cluster.until_settled(&client).await;
    let options = SubmitOptions {
        receipt: true,
        ..SubmitOptions::default()
    };
    let publisher = client.publishers()[0].key();
    let draft = Draft::insert(&canonical(1)).unwrap();
    let outcomes = client.submit(&publisher, vec![draft], options).await;
    let receipt = outcomes.unwrap().remove(0).result.unwrap().receipt.unwrap();
    for confirmation in receipt.confirmations {
        assert!(renewed.contains(&confirmation.chain.id()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_signed_lately_is_refused_by_its_coordinator() {
    let mut cluster = Cluster::prepare(3);
    for peer in 0..3 {
        cluster.start(peer).await;
    }
    let client = cluster.client();
    cluster.until_settled(&client).await;
    let publisher = &client.publishers()[0];
    let key = read_key(&Paths::in_dir(&cluster.dir.path().join("client")).key).unwrap();
    let record = canonical(1).encode().unwrap();
    let submit = async |created_ms| {
        let envelope = Envelope {
            chain: publisher.chain().id(),
            policy: POLICY,
            created_ms,
            nonce: [1; 16],
        };
        let entry = Entry {
            canonical: RecordId::of(&record),
            insert: true,
            updates: Vec::new(),
        };
        let view = client.view();
        let transaction = Transaction::sign(view.overlay(), &envelope, vec![entry], &key);
        let request = wire::SubmitRequest {
            namespace: "test".to_owned(),
            transaction: Some(transaction.unwrap().signed().to_wire()),
            records: vec![record.clone()],
            chain: Some(publisher.chain().to_wire()),
            ..wire::SubmitRequest::default()
        };
        let member = client.member(&cluster.keys[0]).unwrap();
        let refused = member.store().submit(request).await.err()?;
        let detail = Bytes::copy_from_slice(refused.details());
        Some(ErrorDetail::decode(detail, view.overlay()).unwrap().code)
    };
    let now_ms = unix_ms();
    let ahead = submit(now_ms + CREATED_AHEAD_MS_MAX + 60_000).await;
    assert_eq!(ahead, Some(ErrorCode::NotFresh));
    let past = submit(now_ms - CREATED_PAST_MS_MAX - 60_000).await;
    assert_eq!(past, Some(ErrorCode::NotFresh));
    assert_eq!(submit(now_ms).await, None);
}

/// Keeps S1.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_disk_was_wiped_fills_again_under_a_new_incarnation() {
    let mut cluster = Cluster::prepare(3);
    for peer in 0..3 {
        cluster.start(peer).await;
    }
    let client = cluster.client();
    cluster.until_settled(&client).await;
    let publisher = client.publishers()[0].key();
    let drafts: Vec<_> = (0..200)
        .map(|n| Draft::insert(&canonical(n)).unwrap())
        .collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.canonical).collect();
    for outcome in client
        .submit(&publisher, drafts, SubmitOptions::default())
        .await
        .unwrap()
    {
        assert!(outcome.result.unwrap().acknowledged);
    }
    let wiped = cluster.keys[1];
    let before = client
        .head_of(&wiped)
        .await
        .unwrap()
        .heartbeat
        .unwrap()
        .head;

    cluster.stop(1).await;
    std::fs::remove_dir_all(cluster.folder(1).join("data")).unwrap();
    cluster.start(1).await;
    until("the wiped peer answers with everything", async || {
        let answers = client.lookup_at(&wiped, &ids, true).await;
        answers.is_ok_and(|answers| {
            assert!(
                answers.answers.iter().all(|a| a.exists),
                "a settled peer lacks something"
            );
            true
        })
    })
    .await;
    let after = client
        .head_of(&wiped)
        .await
        .unwrap()
        .heartbeat
        .unwrap()
        .head;
    assert!(after.incarnation > before.incarnation);
}
