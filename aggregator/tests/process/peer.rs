//! A peer for readers: a journal, records, and a door.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use kittengrad_journal::{BlockStore, Fork, Journal, Observed, Store, Tip, keep_chain};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::{Head, Item},
    certificate::{Chain, Role},
    checkpoint::{Holdings, Statement, Through},
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    submission::Submission,
    wire::{self, journal_server::JournalServer, store_server::StoreServer},
};
use kittengrad_ring::{KeyRange, KeyRanges};
use kittengrad_service::{
    handshakes::{GRPC, Handshakes},
    journal::{JournalParts, JournalService, SigningTimes},
    listen::listen,
    lookup::get_record,
    metrics::ServiceMetrics,
    serve::serve,
    tls::Door,
};
use kittengrad_store::{Options, Owner, RocksStore};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};

/// A peer that journals submissions, and may be stopped and wiped.
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) address: SocketAddr,
    overlay: Overlay,
    credentials: Credentials,
    held: KeyRange,
    data: PathBuf,
    store: Arc<RocksStore>,
    journal: Mutex<Journal>,
    tip: watch::Sender<Option<Tip>>,
    statements: watch::Sender<Option<Arc<Statement>>>,
    times: SigningTimes,
    serving: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Peer {
    /// Makes a settled peer with an empty set. It does not serve yet.
    pub(crate) fn new(
        overlay: Overlay,
        credentials: Credentials,
        address: SocketAddr,
        held: KeyRange,
        data: PathBuf,
    ) -> Self {
        let key = credentials.holder().key;
        let store = open(&overlay, key, &data);
        let journal = Mutex::new(begin(&overlay, &credentials, held, 10));
        let peer = Self {
            key,
            address,
            overlay,
            credentials,
            held,
            data,
            store,
            journal,
            tip: watch::Sender::new(None),
            statements: watch::Sender::new(None),
            times: SigningTimes::default(),
            serving: None,
        };
        peer.cut();
        peer
    }

    /// Journals the elements that it holds of a transaction, and publishes the block once it is on disk.
    pub(crate) fn apply(&self, submission: &Submission, chain: &Chain) {
        {
            let mut journal = self.journal.lock().unwrap();
            let holds = |canonical: &RecordId| self.held.contains(canonical.point());
            let added = journal.add(submission, holds, &*self.store).unwrap();
            if added.bitmap.count() > 0 {
                let publisher = submission.transaction.publisher();
                keep_chain(chain, publisher)
                    .into_iter()
                    .for_each(|write| journal.keep(write));
            }
        }
        self.cut();
    }

    fn cut(&self) {
        let mut journal = self.journal.lock().unwrap();
        let mut writes = Vec::new();
        journal.cut(self.times.begin(), &mut writes);
        self.store.commit(writes).unwrap();
        journal.committed();
        self.tip.send_replace(journal.tip());
        self.times.end();
    }

    /// The head of its journal.
    pub(crate) fn head(&self) -> Head {
        self.journal.lock().unwrap().tip().unwrap().head
    }

    /// States that it is settled, and that its set contains the journals of the others up to these heads. After a new
    /// incarnation began, it states nothing until the next call.
    pub(crate) fn attest(&self, ring: Id, heads: &[(PublicKey, Head)]) {
        let others = heads.iter().filter(|(key, _)| *key != self.key);
        let through = others.map(|(key, head)| {
            let (head, arcs) = (*head, None);
            (*key, Through { head, arcs })
        });
        let held = KeyRanges::from(self.held);
        let observed = Observed {
            ring,
            holds: Holdings::new(&held, &held),
            through: through.collect(),
        };
        let mut journal = self.journal.lock().unwrap();
        self.statements
            .send_replace(journal.attest(observed).cloned());
    }

    /// Loses its disk and starts an empty incarnation. The peer must be stopped.
    pub(crate) fn wipe(&mut self, incarnation: u64) {
        assert!(self.serving.is_none());
        self.data = self.data.with_extension(incarnation.to_string());
        self.store = open(&self.overlay, self.key, &self.data);
        *self.journal.lock().unwrap() =
            begin(&self.overlay, &self.credentials, self.held, incarnation);
        self.cut();
    }

    /// Goes back to a disk with the transactions `kept`, and starts an incarnation that forks from it. The peer must be
    /// stopped.
    pub(crate) fn restore(&mut self, kept: &[Submission], chain: &Chain, incarnation: u64) {
        assert!(self.serving.is_none());
        self.data = self.data.with_extension(incarnation.to_string());
        self.store = open(&self.overlay, self.key, &self.data);
        *self.journal.lock().unwrap() = begin(&self.overlay, &self.credentials, self.held, 10);
        self.cut();
        kept.iter()
            .for_each(|submission| self.apply(submission, chain));
        let fork = self.store.head().unwrap();
        let fork = fork.map(|head| Fork::from(head, &*self.store).unwrap());
        *self.journal.lock().unwrap() = Journal::open(
            self.overlay.clone(),
            Arc::new(self.credentials.key().clone()),
            incarnation,
            fork,
            self.held.into(),
            &[Item::Settled(self.held.into())],
        );
        self.cut();
    }

    /// Serves on its address.
    pub(crate) async fn serve(&mut self) {
        let shutdown = CancellationToken::new();
        let journal = JournalServer::new(JournalService::new(JournalParts {
            overlay: self.overlay.clone(),
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            tip: self.tip.subscribe(),
            statements: self.statements.subscribe(),
            times: self.times.clone(),
            signer: Arc::new(self.credentials.key().clone()),
            chain: self.credentials.chain().clone(),
            shutdown: shutdown.clone(),
            metrics: ServiceMetrics::default(),
            evidence: Arc::new(|_, _| {}),
        }));
        let records = Records {
            overlay: self.overlay.clone(),
            store: Arc::clone(&self.store),
        };
        let routes = Routes::new(journal).add_service(StoreServer::new(records));
        let admits = |role| matches!(role, Role::Client | Role::Aggregator);
        let handshakes = Handshakes::new(self.credentials.clone(), &[GRPC]).unwrap();
        let door = Arc::new(Door::new(&handshakes, admits));
        let listener = listen(self.address, "grpc").await.unwrap();
        let serving = serve(
            listener,
            door,
            routes,
            ServiceMetrics::default(),
            shutdown.clone(),
        );
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        self.serving = Some((shutdown, serving));
    }

    /// Stops serving.
    pub(crate) async fn stop(&mut self) {
        if let Some((shutdown, serving)) = self.serving.take() {
            shutdown.cancel();
            serving.await.unwrap();
        }
    }
}

fn open(overlay: &Overlay, key: PublicKey, data: &std::path::Path) -> Arc<RocksStore> {
    let owner = Owner {
        overlay: overlay.clone(),
        key,
    };
    Arc::new(RocksStore::open(data, &owner, &Options::default()).unwrap())
}

fn begin(
    overlay: &Overlay,
    credentials: &Credentials,
    held: KeyRange,
    incarnation: u64,
) -> Journal {
    let items = [Item::Settled(held.into())];
    let signer = Arc::new(credentials.key().clone());
    Journal::open(
        overlay.clone(),
        signer,
        incarnation,
        None,
        held.into(),
        &items,
    )
}

/// The part of the Store service that an aggregator calls.
struct Records {
    overlay: Overlay,
    store: Arc<RocksStore>,
}

#[tonic::async_trait]
impl wire::store_server::Store for Records {
    async fn submit(
        &self,
        _: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        Err(Status::unimplemented("this peer takes no submissions"))
    }

    async fn lookup(
        &self,
        _: Request<wire::LookupRequest>,
    ) -> Result<Response<wire::LookupResponse>, Status> {
        Err(Status::unimplemented("this peer answers no lookups"))
    }

    async fn get_record(
        &self,
        request: Request<wire::GetRecordRequest>,
    ) -> Result<Response<wire::GetRecordResponse>, Status> {
        Ok(Response::new(get_record(
            &*self.store,
            request.get_ref(),
            &self.overlay,
        )?))
    }
}
