//! A small world: statements of two publishers, an indexer on a temporary folder, and its HTTP client.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use ipld_core::ipld::Ipld;
use kittengrad_client_core::{
    json,
    map::Map,
    view::ring::{ArcReport, CoverReport, JournalReport, PeerReport, RingReport},
};
use kittengrad_indexer::{
    driver::{Command, Controls, Driver, DriverError},
    feed::Feed,
    http::{App, Parts},
    index::{Index, IndexOptions, Lock, OpenError, Snapshot},
    metrics::IndexerMetrics,
    ring::{RingCache, RingReader},
    source::SourceStatus,
};
use kittengrad_indexer_core::{Block, Last, Transaction};
use kittengrad_proto::{
    block::Head,
    condition::Condition,
    cursor::Cursor,
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    record::{Canonical, CanonicalType, Link, Record, Retraction, Update},
    transaction::Element,
};
use kittengrad_support::{
    samples::{named, update},
    wait::soon,
};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) const TATE: PublicKey = PublicKey::new([1; 32]);
pub(crate) const CMOA: PublicKey = PublicKey::new([2; 32]);
pub(crate) const JOURNAL: PublicKey = PublicKey::new([9; 32]);

pub(crate) fn overlay() -> Overlay {
    Overlay {
        network: Id::of(&[b"root"]),
        namespace: "demo".parse().unwrap(),
    }
}

pub(crate) fn cursor(height: u64) -> Cursor {
    Cursor {
        journal: JOURNAL,
        incarnation: 1,
        height: Some(height),
    }
}

/// An element with its records.
pub(crate) type Statement = (Element, BTreeMap<RecordId, Bytes>);

/// The canonical with this identifier. An identifier with `artist` is an entity, such as `tate:artist:558`.
pub(crate) fn canonical(identifier: &str) -> (RecordId, Bytes) {
    let is_entity = identifier.contains("artist");
    let kind = if is_entity {
        CanonicalType::Entity
    } else {
        CanonicalType::Artefact
    };
    named(&Record::Canonical(Canonical::identified(
        kind,
        identifier.to_owned(),
    )))
}

/// An update, and the record of its canonical.
pub(crate) struct Draft {
    update: Update,
    record: Bytes,
}

/// Drafts an update of the canonical with this identifier. `meta` is a JSON object; an empty `name` is no name.
pub(crate) fn draft(
    publisher: PublicKey,
    timestamp_ms: u64,
    identifier: &str,
    name: &str,
    meta: &str,
) -> Draft {
    let (reference, record) = canonical(identifier);
    let Ipld::Map(meta) = json::parse(meta.as_bytes()).unwrap() else {
        panic!("{meta} is not an object")
    };
    let update = Update {
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        meta,
        ..update(reference, publisher, timestamp_ms)
    };
    Draft { update, record }
}

impl Draft {
    pub(crate) fn instead_of(mut self, previous: &Statement) -> Self {
        self.update.previous.push(previous.0.update.unwrap());
        self.update.previous.sort_unstable();
        self
    }

    pub(crate) fn linked(mut self, rel: &str, identifier: &str) -> Self {
        self.update.links.push(Link {
            rel: rel.to_owned(),
            to: canonical(identifier).0,
        });
        self.update.links.sort_unstable();
        self
    }

    pub(crate) fn statement(self) -> Statement {
        let of = self.update.reference;
        let (id, bytes) = named(&Record::Update(self.update));
        (
            Element {
                canonical: of,
                update: Some(id),
            },
            BTreeMap::from([(id, bytes), (of, self.record)]),
        )
    }
}

/// Retracts a statement in the name of `publisher`.
pub(crate) fn retraction(
    publisher: PublicKey,
    timestamp_ms: u64,
    statement: &Statement,
) -> Statement {
    let (reference, target) = (statement.0.canonical, statement.0.update.unwrap());
    let retraction = Retraction {
        reference,
        target,
        publisher,
        timestamp_ms,
    };
    let (id, bytes) = named(&Record::Retraction(retraction));
    (
        Element {
            canonical: reference,
            update: Some(id),
        },
        BTreeMap::from([(id, bytes)]),
    )
}

/// One block with one transaction.
pub(crate) fn block(height: u64, publisher: PublicKey, statements: Vec<Statement>) -> Block {
    let mut records = BTreeMap::new();
    let mut added = Vec::new();
    for (element, with) in statements {
        added.push(element);
        records.extend(with);
    }
    let publisher_name = Some(
        if publisher == TATE {
            "Tate"
        } else {
            "Carnegie Museum of Art"
        }
        .to_owned(),
    );
    let transaction = Transaction {
        publisher,
        publisher_name,
        created_ms: height,
        added,
        records,
    };
    Block {
        last: Last {
            journal: JOURNAL,
            head: Head {
                incarnation: 1,
                height,
                hash: Id::of(&[&height.to_be_bytes()]),
            },
            time_ms: 1_700_000_000_000 + height,
        },
        transactions: vec![transaction],
    }
}

/// Maps every `every`th line of a gzip file with a map of `deploy/maps`. Lines that the map refuses are left out.
pub(crate) fn mapped(map: &str, publisher: PublicKey, path: &Path, every: usize) -> Vec<Statement> {
    let maps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/maps");
    let map = Map::parse(&std::fs::read_to_string(maps.join(map)).unwrap()).unwrap();
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap());
    let lines = BufReader::new(file).split(b'\n').map(Result::unwrap);
    let statement = |line: Vec<u8>| {
        let mapped = map.apply(&line).ok()?;
        let (of, record) = (mapped.canonical_id, mapped.canonical_bytes.clone());
        let update = mapped.update(publisher, 1_700_000_000_000, vec![]);
        let (id, bytes) = named(&Record::Update(update));
        Some((
            Element {
                canonical: of,
                update: Some(id),
            },
            BTreeMap::from([(id, bytes), (of, record)]),
        ))
    };
    lines.step_by(every).filter_map(statement).collect()
}

/// Gets a page of an indexer, without any proxy.
pub(crate) async fn get(url: &str) -> reqwest::Response {
    browser().get(url).send().await.unwrap()
}

pub(crate) fn browser() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) fn open(directory: &Path) -> Result<(Index, Lock), OpenError> {
    open_as(directory, &overlay())
}

/// Opens an index that no test uses any more. The child process of another test has copies of all locks until it runs
/// its own program, so a released lock may be held for a moment.
pub(crate) fn open_as(directory: &Path, overlay: &Overlay) -> Result<(Index, Lock), OpenError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Index::open(directory, overlay, SMALL) {
            Err(OpenError::InUse(_)) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

pub(crate) const SMALL: IndexOptions = IndexOptions {
    memory_bytes: 16 * 1024 * 1024,
};

/// A made-up ring of two peers. A third peer is joining.
pub(crate) struct MadeUpRing;

impl RingReader for MadeUpRing {
    fn read(&self) -> BoxFuture<'_, RingReport> {
        let arc = |from: &str, to: &str| ArcReport {
            from: from.repeat(64),
            to: to.repeat(64),
        };
        let peer = |id: &str, state, point: &str, cell: Option<ArcReport>| PeerReport {
            id: id.repeat(64),
            point: point.repeat(64),
            state,
            share: if cell.is_some() { 0.5 } else { 0.0 },
            cell,
            journal: JournalReport {
                incarnation: Some(1),
                height: Some(2),
                head: Some("0".repeat(64)),
            },
            grpc: "https://127.0.0.1:1".to_owned(),
            quic: "127.0.0.1:2".to_owned(),
            http: String::new(),
        };
        let report = RingReport {
            namespace: "demo".to_owned(),
            replicas: 3,
            quorum: 2,
            peers: vec![
                peer("a", Condition::Settled, "8", Some(arc("0", "8"))),
                peer("b", Condition::Unreachable, "0", Some(arc("8", "0"))),
                peer("c", Condition::Filling, "4", None),
            ],
            cover: vec![CoverReport {
                peer: "a".repeat(64),
                arc: arc("0", "8"),
            }],
            uncovered: vec![arc("8", "0")],
            aggregators: vec![],
        };
        Box::pin(std::future::ready(report))
    }
}

/// An indexer that listens, without a network: tests hand in the blocks of the journal.
pub(crate) struct Indexing {
    pub(crate) url: String,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) source: watch::Sender<SourceStatus>,
    pub(crate) feed: Feed,
    commands: mpsc::Sender<Command>,
    driving: tokio::task::JoinHandle<Result<(), DriverError>>,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    next_height: u64,
    _lock: Lock,
    _directory: Option<tempfile::TempDir>,
}

impl Indexing {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut indexing = Self::start_in(directory.path(), 0).await;
        indexing._directory = Some(directory);
        indexing
    }

    pub(crate) async fn start_in(directory: &Path, port: u16) -> Self {
        let (index, lock) = open(directory).unwrap();
        let mut registry = Registry::with_prefix("kittengrad");
        let metrics = IndexerMetrics::register(&mut registry);
        let feed = Feed::default();
        let next_height = index
            .snapshot()
            .state
            .cursors
            .current()
            .map_or(0, |cursor| cursor.next_height());
        let (driver, controls) = Driver::new(index, feed.clone(), metrics.clone());
        let driving = tokio::task::spawn_blocking(move || driver.run());
        let Controls {
            commands,
            snapshots,
            ..
        } = controls;
        let (source, status) = watch::channel(SourceStatus::default());
        let shutdown = CancellationToken::new();
        let app = App::new(Parts {
            snapshots: snapshots.clone(),
            source: status,
            feed: feed.clone(),
            ring: RingCache::new(MadeUpRing),
            metrics,
            registry: Arc::new(registry),
            shutdown: shutdown.clone(),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = kittengrad_service::http::serve(listener, app.router(), shutdown.clone());
        let serving = tokio::spawn(async move { serve.await.unwrap() });
        let (_lock, _directory) = (lock, None);
        Self {
            url,
            snapshots,
            source,
            feed,
            commands,
            driving,
            shutdown,
            serving,
            next_height,
            _lock,
            _directory,
        }
    }

    /// Hands in the next block, with one transaction; returns its height.
    pub(crate) async fn hear(&mut self, publisher: PublicKey, statements: Vec<Statement>) -> u64 {
        let height = self.next_height;
        self.next_height += 1;
        self.take(block(height, publisher, statements)).await;
        height
    }

    pub(crate) async fn take(&self, block: Block) {
        self.commands.send(Command::Block(block)).await.unwrap();
    }

    /// Waits until the block at `height` can be searched.
    pub(crate) async fn committed(&mut self, height: u64) {
        let covers = |snapshot: &Arc<Snapshot>| {
            snapshot
                .state
                .cursors
                .current()
                .and_then(|cursor| cursor.height)
                >= Some(height)
        };
        let waiting = self.snapshots.wait_for(covers);
        soon(waiting).await.unwrap();
    }

    /// Hands in the next block, and waits for its commit.
    pub(crate) async fn learn(&mut self, publisher: PublicKey, statements: Vec<Statement>) {
        let height = self.hear(publisher, statements).await;
        self.committed(height).await;
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        get(&format!("{}{path}", self.url)).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The names of the hits of a search. `query` is the query part of the address, such as `q=turner&limit=7`.
    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        let found = self.json(&format!("/api/search?{query}")).await;
        let hits = found["hits"].as_array().unwrap();
        assert!(found["total"].as_u64().unwrap() >= hits.len() as u64);
        hits.iter()
            .map(|hit| hit["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Ends in the order of a process that is told to stop.
    pub(crate) async fn end(self) {
        drop(self.commands);
        self.driving.await.unwrap().unwrap();
        self.shutdown.cancel();
        self.serving.await.unwrap();
    }
}
