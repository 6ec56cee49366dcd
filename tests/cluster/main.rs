//! Real peers on loopback: QUIC, gRPC, certificates and RocksDB, in one process.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{net::UdpSocket, path::PathBuf};

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
    directory::Admission,
};
use kittengrad_proto::{
    certificate::Role,
    error::{ErrorCode, ErrorDetail},
    id::{PublicKey, RecordId},
    identity::Addresses,
    limits::{CREATED_AHEAD_MS_MAX, CREATED_PAST_MS_MAX},
    transaction::{Entry, Envelope, POLICY, Transaction},
    wire,
};
use kittengrad_ring::Replicas;
use kittengrad_support::{
    authority::{admit_into, authority_in, identity},
    clock::unix_ms,
    ports::{free_tcp, free_udp},
    samples::canonical,
    wait::until,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A running peer, and the token that stops it.
type Running = (CancellationToken, JoinHandle<Result<(), run::RunError>>);

struct Cluster {
    dir: TempDir,
    keys: Vec<PublicKey>,
    running: Vec<Option<Running>>,
}

impl Cluster {
    fn prepare(peers: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = authority_in(&dir.path().join("ca"));
        let replicas = Replicas::default();
        let mut file =
            NetworkFile::new("test".parse().unwrap(), authority.root().clone(), replicas);
        let mut keys = Vec::new();
        for number in 0..peers {
            let folder = dir.path().join(number.to_string());
            let admitted = admit_into(&folder, &authority, Role::Peer);
            let addresses = Addresses {
                grpc: free_tcp().to_string(),
                quic: free_udp().to_string(),
                http: free_tcp().to_string(),
            };
            let identity = identity(file.overlay(), &admitted, 1, addresses);
            keys.push(identity.key);
            file.add(identity).unwrap();
            std::fs::write(
                folder.join("peer.toml"),
                "network = \"../network.toml\"\ncredentials = \".\"\ndata = \"data\"\n[store]\nreserve_mib = 1\n",
            )
            .unwrap();
        }
        let _ = admit_into(&dir.path().join("client"), &authority, Role::Client);
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
        // A task of the endpoint closes the socket, some time after its last use.
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

    /// Waits until every running peer is settled.
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

/// A canonical that a peer holds.
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

impl Drop for Cluster {
    /// Waits for every peer, because RocksDB fails if the process ends while it is open.
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

/// Keeps S1.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_are_at_every_replica_after_a_restart() {
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
async fn receipts_have_the_current_certificates_of_peers() {
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
        let detail = ErrorDetail::decode(refused.details(), view.overlay());
        Some(detail.unwrap().code)
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
async fn a_wiped_peer_fills_under_a_new_incarnation() {
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
