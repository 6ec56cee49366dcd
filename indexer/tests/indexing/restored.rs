//! An aggregator whose disk was restored from an older copy continues after a block before the last one that the index
//! has read.

use std::{net::SocketAddr, sync::Arc};

use kittengrad_journal::{BlockStore, Fork, Journal, MemoryStore, Store, keep_chain};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::Holds,
    namespace::Overlay,
    signed::Ed25519,
    submission::Submission,
    transaction::{Entry, Envelope, POLICY, Transaction},
};
use kittengrad_service::{
    clock::unix_ms,
    handshakes::{GRPC, Handshakes},
    journal::{JournalParts, JournalService},
    listen::listen,
    metrics::ServiceMetrics,
    serve::serve,
    tls::Door,
};
use kittengrad_support::{ports::free_tcp, wait::until};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    running::{Network, running},
    world::{draft, get},
};

/// An aggregator whose blocks a test chooses.
struct Aggregator<'a> {
    overlay: &'a Overlay,
    credentials: &'a Credentials,
    publisher: &'a Credentials,
    store: MemoryStore,
    journal: Journal,
}

/// Opens the journal of an aggregator on its disk.
type Open = fn(&Overlay, &Credentials, &MemoryStore) -> Journal;

/// Begins a new incarnation after the last block, as an aggregator does at each start.
fn begin(overlay: &Overlay, credentials: &Credentials, store: &MemoryStore) -> Journal {
    let head = store.head().unwrap();
    let incarnation = head.map_or(7, |head| head.incarnation + 1);
    let fork = head.map(|head| Fork::from(head, store).unwrap());
    let signer = Arc::new(credentials.key().clone());
    Journal::open(
        overlay.clone(),
        signer,
        incarnation,
        fork,
        Holds::whole(),
        &[],
    )
}

/// Continues the last incarnation, as no honest aggregator does: it signs second blocks for the places that an old disk
/// forgot.
fn resume(overlay: &Overlay, credentials: &Credentials, store: &MemoryStore) -> Journal {
    let signer = Arc::new(credentials.key().clone());
    let resumed = Journal::resume(overlay.clone(), signer, store);
    resumed.unwrap().unwrap()
}

impl<'a> Aggregator<'a> {
    fn new(
        overlay: &'a Overlay,
        credentials: &'a Credentials,
        publisher: &'a Credentials,
        store: MemoryStore,
        open: Open,
    ) -> Self {
        Self {
            overlay,
            credentials,
            publisher,
            journal: open(overlay, credentials, &store),
            store,
        }
    }

    /// Cuts a block for each of these identifiers, with one update of its canonical.
    fn hear(&mut self, identifiers: &[&str]) {
        for identifier in identifiers {
            let holder = self.publisher.holder();
            let (element, records) = draft(holder.key, 1, identifier, identifier, "{}").statement();
            let entry = Entry {
                canonical: element.canonical,
                insert: true,
                updates: Vec::from_iter(element.update),
            };
            let envelope = Envelope {
                chain: self.publisher.chain().id(),
                policy: POLICY,
                created_ms: holder.not_before_ms,
                nonce: [0; 16],
            };
            let key = self.publisher.key();
            let signed = Transaction::sign(self.overlay, &envelope, vec![entry], key).unwrap();
            let records = records.into_values().collect();
            let submission =
                Submission::check(Arc::new(signed), records, holder, |_| true, &Ed25519).unwrap();
            self.journal
                .add(&submission, |_| true, &self.store)
                .unwrap();
            for write in keep_chain(self.publisher.chain(), holder.key) {
                self.journal.keep(write);
            }
            let mut writes = Vec::new();
            self.journal.cut(unix_ms(), &mut writes);
            self.store.commit(writes);
            self.journal.committed();
        }
    }

    /// Serves the journal as it is now.
    async fn serve(&self, address: SocketAddr) -> (CancellationToken, JoinHandle<()>) {
        let shutdown = CancellationToken::new();
        let (shown, tip) = watch::channel(self.journal.tip());
        let journal = JournalService::new(JournalParts {
            overlay: self.overlay.clone(),
            store: Arc::new(self.store.clone()) as Arc<dyn Store>,
            tip,
            statements: watch::channel(None).1,
            times: kittengrad_service::journal::SigningTimes::default(),
            signer: Arc::new(self.credentials.key().clone()),
            chain: self.credentials.chain().clone(),
            shutdown: shutdown.clone(),
            metrics: ServiceMetrics::default(),
            evidence: Arc::new(|_, _| {}),
        });
        let handshakes = Handshakes::new(self.credentials.clone(), &[GRPC]).unwrap();
        let door = Arc::new(Door::new(&handshakes, |_| true));
        let listener = listen(address, "grpc").await.unwrap();
        let routes = Routes::new(journal.server());
        let metrics = ServiceMetrics::default();
        let serving = serve(listener, door, routes, metrics, shutdown.clone());
        // The sender of tips lives as long as the service, and sends no other tip.
        let serving = tokio::spawn(async move {
            serving.await.unwrap();
            drop(shown);
        });
        (shutdown, serving)
    }
}

/// Runs an indexer until it is ready and has `documents` documents.
async fn index(network: &Network, credentials: std::path::PathBuf, documents: u64) {
    let (url, shutdown, task) = running(network.config(credentials)).await;
    until("the indexer is ready and has all documents", async || {
        let json = async |path: &str| -> serde_json::Value {
            let answer = get(&format!("{url}{path}")).await;
            answer.json().await.unwrap()
        };
        json("/readyz").await["ready"] == true && json("/status").await["documents"] == documents
    })
    .await;
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

/// Checks that an index has all documents after its aggregator was restored from a copy, and opened it like this.
async fn check(open: Open) {
    let address = free_tcp();
    let (network, aggregator) = Network::with_aggregator_at(&address.to_string());
    let (_, publisher) = network.admit(kittengrad_proto::certificate::Role::Client, "client");
    let (indexer, _) = network.admit(kittengrad_proto::certificate::Role::Indexer, "indexer");
    let overlay = network.overlay();

    let empty = MemoryStore::default();
    let mut first = Aggregator::new(&overlay, &aggregator, &publisher, empty, begin);
    first.hear(&["test:a", "test:b"]);
    let copy = first.store.clone();
    first.hear(&["test:c", "test:d"]);
    let (shutdown, serving) = first.serve(address).await;
    index(&network, indexer.clone(), 4).await;
    shutdown.cancel();
    serving.await.unwrap();

    let mut restored = Aggregator::new(&overlay, &aggregator, &publisher, copy, open);
    restored.hear(&["test:e", "test:f", "test:g"]);
    let (shutdown, serving) = restored.serve(address).await;
    index(&network, indexer.clone(), 7).await;
    // The index has read this journal to its end: a restart reads nothing again.
    index(&network, indexer, 7).await;
    shutdown.cancel();
    serving.await.unwrap();
}

/// Keeps S6.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_restored_from_a_copy_misses_nothing() {
    check(begin).await;
}

/// Keeps S6.
#[tokio::test(flavor = "multi_thread")]
async fn journal_with_other_blocks_is_read_from_its_first() {
    check(resume).await;
}
