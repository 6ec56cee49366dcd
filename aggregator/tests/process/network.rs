//! A network of peers with one aggregator, in a folder and on loopback ports of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_aggregator::{
    config::Config,
    run::{Listening, RunError, run},
};
use kittengrad_client::{
    Client,
    config::Timeouts,
    subscribe::{Event, SubscribeOptions, VerifiedBlock},
};
use kittengrad_overlay::file::NetworkFile;
use kittengrad_pki::{authority::Authority, credentials::Credentials, key_file::write_key};
use kittengrad_proto::{
    certificate::{Role, pem::write_certificates},
    id::{PublicKey, RecordId},
    identity::Addresses,
    namespace::Overlay,
    record::Record,
    signed::{Ed25519, Signer},
    submission::Submission,
    transaction::{Element, Entry, Envelope, POLICY, Transaction},
};
use kittengrad_ring::{Replicas, Ring};
use kittengrad_support::{
    authority::{admit, authority, identity},
    clock::unix_ms,
    ports::free_tcp,
    samples::{canonical, update},
    wait::{soon, until_some},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;

/// The network, with the keys and files of its members.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    pub(crate) overlay: Overlay,
    pub(crate) peers: Vec<Peer>,
    pub(crate) aggregator: PublicKey,
    pub(crate) publisher: Credentials,
    pub(crate) client: Client,
    nonce: u8,
}

impl World {
    /// Makes a network of `count` served peers, with three replicas.
    pub(crate) async fn new(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = authority();
        let namespace = "works".parse().unwrap();
        let overlay = Overlay {
            network: authority.root().network(),
            namespace,
        };
        let replicas = Replicas::default();

        let mut file = NetworkFile::new(
            overlay.namespace.clone(),
            authority.root().clone(),
            replicas,
        );
        let mut members = Vec::new();
        for _ in 0..count {
            let (credentials, address) = (admit(&authority, Role::Peer), free_tcp());
            let addresses = Addresses {
                grpc: address.to_string(),
                ..Addresses::default()
            };
            file.add(identity(&overlay, &credentials, 1, addresses))
                .unwrap();
            members.push((credentials, address));
        }
        let credentials = admit(&authority, Role::Aggregator);
        let aggregator = credentials.holder().key;
        let addresses = Addresses {
            grpc: free_tcp().to_string(),
            http: free_tcp().to_string(),
            ..Addresses::default()
        };
        file.add(identity(&overlay, &credentials, 1, addresses))
            .unwrap();
        std::fs::write(dir.path().join("network.toml"), file.to_toml()).unwrap();
        write_credentials(&dir.path().join("credentials"), &credentials);

        let points = members
            .iter()
            .map(|(credentials, _)| credentials.holder().key.point());
        let ring = Ring::new(points, replicas).unwrap();
        let mut peers = Vec::new();
        for (number, (credentials, address)) in members.into_iter().enumerate() {
            let held = ring.held(credentials.holder().key.point()).unwrap();
            let data = dir.path().join(format!("peer-{number}"));
            let mut peer = Peer::new(overlay.clone(), credentials, address, held, data);
            peer.serve().await;
            peers.push(peer);
        }
        let (root, view) = (file.root().clone(), file.view().unwrap());
        let publisher = admit(&authority, Role::Client);
        let timeouts = Timeouts::default();
        let client = Client::new(root, view, publisher.clone(), Vec::new(), timeouts).unwrap();
        let world = Self {
            dir,
            authority,
            overlay,
            peers,
            aggregator,
            publisher,
            client,
            nonce: 0,
        };
        world.attest();
        world
    }

    /// The configuration of the aggregator.
    pub(crate) fn config(&self) -> Config {
        self.config_that_tolerates(0)
    }

    /// The configuration of the aggregator, with a number of faulty replicas to tolerate in each cell.
    pub(crate) fn config_that_tolerates(&self, faulty: usize) -> Config {
        let path = self.dir.path().join("aggregator.toml");
        let text = format!(
            "network = \"network.toml\"\ncredentials = \"credentials\"\ndata = \"data\"\ntolerate = {faulty}\n\
            [store]\nreserve_mib = 0\ncache_mib = 8\nwrite_buffer_mib = 8\n"
        );
        std::fs::write(&path, text).unwrap();
        Config::load(&path).unwrap()
    }

    /// Starts the aggregator.
    pub(crate) async fn start(&self) -> Running {
        Running::start(self.config()).await.unwrap()
    }

    /// Signs a transaction. Each entry is the number of a canonical and its number of updates.
    pub(crate) fn transact(&mut self, entries: &[(u8, u8)]) -> Submission {
        self.nonce += 1;
        let publisher = self.publisher.key();
        let mut records: BTreeMap<RecordId, Bytes> = BTreeMap::new();
        let mut keep = |record: Record| {
            let bytes = record.encode().unwrap();
            let id = RecordId::of(&bytes);
            records.insert(id, bytes);
            id
        };
        let mut listed = Vec::new();
        for (number, updates) in entries {
            let reference = keep(canonical((*number).into()));
            let update = |number: u8| {
                let timestamp_ms = u64::from(self.nonce) << 8 | u64::from(number);
                let update = update(reference, publisher.public(), timestamp_ms);
                keep(Record::Update(update))
            };
            let updates = (0..*updates).map(update).collect();
            listed.push(Entry {
                canonical: reference,
                insert: true,
                updates,
            });
        }
        let envelope = Envelope {
            chain: self.publisher.chain().id(),
            policy: POLICY,
            created_ms: unix_ms(),
            nonce: [self.nonce; 16],
        };
        let signed = Transaction::sign(&self.overlay, &envelope, listed, publisher).unwrap();
        let (transaction, records) = (Arc::new(signed), records.into_values().collect());
        let holder = self.publisher.holder();
        Submission::check(transaction, records, holder, |_| true, &Ed25519).unwrap()
    }

    /// Signs a transaction and journals it at all peers that hold one of its canonicals.
    pub(crate) fn publish(&mut self, entries: &[(u8, u8)]) -> Vec<Element> {
        let submission = self.transact(entries);
        self.apply(&submission);
        submission.transaction.elements().collect()
    }

    pub(crate) fn apply(&self, submission: &Submission) {
        for peer in &self.peers {
            peer.apply(submission, self.publisher.chain());
        }
        self.attest();
    }

    /// Lets each peer state that its set contains the journals of all others, because each has every submission.
    fn attest(&self) {
        let ring = self.client.view().ring_id();
        let heads = self.peers.iter().map(|peer| (peer.key, peer.head()));
        let heads: Vec<_> = heads.collect();
        self.peers.iter().for_each(|peer| peer.attest(ring, &heads));
    }

    /// A peer by its key.
    pub(crate) fn peer(&mut self, key: PublicKey) -> &mut Peer {
        self.peers.iter_mut().find(|peer| peer.key == key).unwrap()
    }

    /// Another replica of the cell that a peer owns.
    pub(crate) fn partner(&self, owner: PublicKey) -> PublicKey {
        let view = self.client.view();
        let replicas = view.replicas(&view.cell(&owner).unwrap());
        replicas.into_iter().find(|key| *key != owner).unwrap()
    }

    /// Reads and verifies the aggregator's journal up to its head.
    pub(crate) async fn read(&self) -> Vec<VerifiedBlock> {
        let options = SubscribeOptions {
            follow: false,
            ..SubscribeOptions::default()
        };
        let mut subscription = self.client.subscribe(self.aggregator, options);
        let mut blocks = Vec::new();
        let reading = async {
            while let Some(event) = subscription.next().await {
                if let Event::Block(block) = event.unwrap() {
                    blocks.push(*block);
                }
            }
        };
        soon(reading).await;
        blocks
    }

    /// Reads the elements of the aggregator's journal in their order, and checks their offsets. They begin at 0 in each
    /// incarnation.
    pub(crate) async fn emitted(&self) -> Vec<Element> {
        let blocks = self.read().await;
        let (mut elements, mut offset) = (Vec::new(), 0);
        for block in &blocks {
            if block.header.height == 0 {
                offset = 0;
            }
            for at in block.elements() {
                assert_eq!(at.offset, offset);
                offset += 1;
                elements.push(at.element);
            }
        }
        elements
    }

    /// Waits until exactly the expected elements are emitted, each once.
    pub(crate) async fn until_emitted(&self, expected: &[Element]) {
        let mut expected = expected.to_vec();
        expected.sort();
        until_some("the aggregator emits everything", async || {
            let mut emitted = self.emitted().await;
            emitted.sort();
            assert!(emitted.len() <= expected.len(), "{emitted:?}");
            (emitted == expected).then_some(())
        })
        .await;
    }
}

/// A running aggregator.
pub(crate) struct Running {
    pub(crate) listening: Listening,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Result<Self, RunError> {
        let shutdown = CancellationToken::new();
        let (listening, listens) = oneshot::channel();
        let task = tokio::spawn(run(config, shutdown.clone(), listening));
        match soon(listens).await {
            Ok(listening) => Ok(Self {
                listening,
                shutdown,
                task,
            }),
            Err(_) => Err(task.await.unwrap().unwrap_err()),
        }
    }

    /// Stops the aggregator in order.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        soon(self.task).await.unwrap().unwrap();
    }

    /// Gets a page. Returns its status code and body.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.listening.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.page("/status").await.1).unwrap()
    }

    /// The keys of the sources, as the status page shows them.
    pub(crate) async fn sources(&self) -> Vec<PublicKey> {
        let status = self.status().await;
        let sources = status["sources"].as_array().unwrap().iter();
        let key = |source: &Value| source["id"].as_str().unwrap().parse().unwrap();
        sources.map(key).collect()
    }

    /// Waits until the sources are read in these modes, ascending. Returns their keys.
    pub(crate) async fn until_modes(&self, modes: &[&str]) -> Vec<PublicKey> {
        until_some("the sources are read in these modes", async || {
            let status = self.status().await;
            let sources = status["sources"].as_array().unwrap().iter();
            let of =
                |source: &Value| Some((source["mode"].as_str()?.to_owned(), source["id"].clone()));
            let mut found: Vec<_> = sources.filter_map(of).collect();
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            let key = |id: &Value| -> PublicKey { id.as_str().unwrap().parse().unwrap() };
            let keys = found.iter().map(|(_, id)| key(id)).collect();
            let found = found.iter().map(|(mode, _)| mode);
            found.eq(modes.iter()).then_some(keys)
        })
        .await
    }

    /// Waits until a source is read in `incarnation`.
    pub(crate) async fn until_read_in(&self, source: PublicKey, incarnation: u64) {
        let id = source.to_string();
        until_some("the source is read in its next incarnation", async || {
            let status = self.status().await;
            let mut sources = status["sources"].as_array().unwrap().iter();
            let source = sources.find(|source| source["id"] == id.as_str())?;
            (source["position"]["incarnation"] == incarnation).then_some(())
        })
        .await;
    }

    /// Waits until the view is ready without this source, and complete to a later time than now.
    pub(crate) async fn until_ready_without(&self, source: PublicKey) {
        let (id, now_ms) = (source.to_string(), unix_ms());
        until_some("the view is complete through others", async || {
            let status = self.status().await;
            let mut sources = status["sources"].as_array().unwrap().iter();
            let is_replaced = sources.all(|source| source["id"] != id.as_str());
            let is_later = status["complete_to_ms"].as_u64() > Some(now_ms);
            (is_replaced && is_later && status["ready"] == true).then_some(())
        })
        .await;
    }

    /// Waits until a cell waits for exactly these replicas and keeps the view from being ready. Returns the reasons.
    pub(crate) async fn until_waiting_for(&self, replicas: &[PublicKey]) -> String {
        let mut ids: Vec<_> = replicas.iter().map(PublicKey::to_string).collect();
        ids.sort();
        until_some("a cell waits for these replicas", async || {
            let status = self.status().await;
            let mut cells = status["cells"].as_array().unwrap().iter();
            let waits = |cell: &Value| {
                let waits_for = cell["waits_for"].as_array().unwrap().iter();
                let mut waits_for: Vec<_> = waits_for.filter_map(Value::as_str).collect();
                waits_for.sort_unstable();
                waits_for == ids
            };
            (cells.any(waits) && status["ready"] == false).then_some(())
        })
        .await;
        self.until_ready(false).await
    }

    /// Waits until `/readyz` answers as expected. Returns its body, which has the reasons.
    pub(crate) async fn until_ready(&self, expected: bool) -> String {
        let code = if expected { 200 } else { 503 };
        until_some("readiness changes", async || {
            let (found, body) = self.page("/readyz").await;
            (found == code).then_some(body)
        })
        .await
    }
}

pub(crate) fn write_credentials(dir: &Path, credentials: &Credentials) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    let chain = write_certificates(credentials.chain().certificates());
    let root = write_certificates([credentials.root().der()]);
    std::fs::write(dir.join("key.pem"), write_key(credentials.key()).as_bytes()).unwrap();
    std::fs::write(dir.join("chain.pem"), chain).unwrap();
    std::fs::write(dir.join("root.pem"), root).unwrap();
    dir.to_owned()
}
