//! A member with a real key, a real journal in memory, and orders to misbehave.

mod serving;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use kittengrad_journal::{
    BlockStore as _, ElementStore as _, Fork, Journal, MemoryStore, RecordStore as _, StoredBlock,
    Write, blocks, entries, prove,
};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    block::{Head, Holds, Item},
    certificate::Chain,
    cursor::Cursor,
    error::{ErrorCode, ErrorDetail},
    id::{Id, PublicKey, RecordId},
    identity::{Heartbeat, Identity},
    namespace::Overlay,
    receipt::{Confirmation, Receipt},
    signed::{Ed25519, Signer},
    submission::Submission,
    transaction::Transaction,
    wire::{self, frame::Kind, store_server},
};
use kittengrad_ring as ring;
use kittengrad_support::clock::unix_ms;
use tonic::{Code, Request, Response, Status};

/// Changes the frames of one stream before they are sent.
pub(crate) type Tamper = Box<dyn Fn(&mut Vec<wire::Frame>) + Send + Sync>;

/// How one stream goes on when its frames have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ends as it should.
    Proper,
    /// It breaks after so many frames.
    Broken(usize),
    /// It falls silent after so many frames.
    Silent(usize),
}

pub(crate) struct Fake {
    pub(crate) overlay: Overlay,
    pub(crate) credentials: Credentials,
    pub(crate) log: Mutex<Log>,
    /// The members in its answers.
    pub(crate) ring: Mutex<Vec<Identity>>,
    /// Answers to the next calls of any unary method of `Store`.
    pub(crate) refusals: Mutex<VecDeque<Status>>,
    /// All submitted transactions, also the refused ones.
    pub(crate) seen: Mutex<Vec<wire::SubmitRequest>>,
    /// Whether answers report submissions as acknowledged.
    pub(crate) acknowledges: Mutex<bool>,
    /// Number of submissions that the next answers report as not acknowledged, even if `acknowledges` is true.
    pub(crate) doubts: Mutex<usize>,
    /// How many records one answer of `GetRecord` has room for; the others are left empty.
    pub(crate) records_max: Mutex<usize>,
    /// Applied to the answers of lookups.
    pub(crate) lie: Mutex<Option<fn(&mut wire::LookupResponse)>>,
    pub(crate) lookups: Mutex<Vec<wire::LookupRequest>>,
    /// Updates of a set that one answer has room for.
    pub(crate) page: Mutex<usize>,
    pub(crate) tamper: Mutex<Option<Tamper>>,
    /// How the next streams end; when none is left they end as they should.
    pub(crate) endings: Mutex<VecDeque<Ending>>,
    pub(crate) subscriptions: Mutex<Vec<wire::SubscribeRequest>>,
}

pub(crate) struct Log {
    pub(crate) journal: Journal,
    pub(crate) store: MemoryStore,
    pub(crate) chains: BTreeMap<Id, Chain>,
}

/// A status with one of our codes.
pub(crate) fn refusal(code: ErrorCode) -> Status {
    let grpc = Code::from_i32(code.grpc_status());
    let details = ErrorDetail::new(code).encode("as told");
    Status::with_details(grpc, "as told", details)
}

impl Fake {
    pub(crate) fn new(overlay: Overlay, credentials: Credentials) -> Self {
        let signer = Arc::new(credentials.key().clone());
        let journal = Journal::open(
            overlay.clone(),
            signer,
            unix_ms(),
            None,
            Holds::whole(),
            &[],
        );
        let log = Log {
            journal,
            store: MemoryStore::default(),
            chains: BTreeMap::new(),
        };
        Self {
            overlay,
            credentials,
            log: Mutex::new(log),
            ring: Mutex::default(),
            refusals: Mutex::default(),
            seen: Mutex::default(),
            acknowledges: Mutex::new(true),
            doubts: Mutex::default(),
            records_max: Mutex::new(usize::MAX),
            lie: Mutex::default(),
            lookups: Mutex::default(),
            page: Mutex::new(1_000),
            tamper: Mutex::default(),
            endings: Mutex::default(),
            subscriptions: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.credentials.key().public()
    }

    pub(crate) fn refuse_next(&self, status: Status) {
        self.refusals.lock().unwrap().push_back(status);
    }

    /// Begins another incarnation, whose genesis lists `items` after its `hold`.
    pub(crate) fn reincarnate(&self, items: &[Item]) {
        let mut log = self.log.lock().unwrap();
        let (incarnation, fork) = (
            log.journal.incarnation() + 1,
            log.journal.tip().map(|tip| tip.head),
        );
        let signer = Arc::new(self.credentials.key().clone());
        let overlay = self.overlay.clone();
        let fork = fork.map(|head| Fork::from(head, &log.store).unwrap());
        log.journal = Journal::open(overlay, signer, incarnation, fork, Holds::whole(), items);
        log.cut();
    }

    pub(crate) fn head(&self) -> Option<Head> {
        self.log.lock().unwrap().journal.tip().map(|tip| tip.head)
    }

    /// Applies a submission and cuts a block.
    pub(crate) fn apply(
        &self,
        request: &wire::SubmitRequest,
    ) -> Result<wire::SubmitResponse, Status> {
        let mut log = self.log.lock().unwrap();
        if let Some(chain) = request.chain.clone() {
            let chain = Chain::from_wire(chain).unwrap();
            log.chains.insert(chain.id(), chain);
        }
        let transaction =
            Transaction::from_wire(request.transaction.clone(), &self.overlay).unwrap();
        let Some(chain) = log.chains.get(&transaction.envelope().chain).cloned() else {
            return Err(refusal(ErrorCode::ChainUnknown));
        };
        let holder = chain.verify(self.credentials.root(), &Ed25519).unwrap();
        let submission = Submission::check(
            Arc::new(transaction),
            request.records.clone(),
            &holder,
            |_| true,
            &Ed25519,
        );
        let submission = submission.map_err(|_| refusal(ErrorCode::Invalid))?;
        let Log { journal, store, .. } = &mut *log;
        let added = journal.add(&submission, |_| true, store).unwrap();
        log.cut();
        let tip = log.journal.tip().unwrap();
        Ok(wire::SubmitResponse {
            id: Bytes::copy_from_slice(submission.transaction.id().as_bytes()),
            added: added.bitmap.as_bytes().clone(),
            block: Some(tip.head.to_wire()),
            synced: vec![Bytes::copy_from_slice(self.key().as_bytes())],
            acknowledged: self.acknowledges(),
            receipt: request
                .receipt
                .then(|| self.receipt(&submission.transaction, &self.overlay, &log.store)),
            created: RecordId::concat(&added.created),
        })
    }

    fn acknowledges(&self) -> bool {
        let mut doubts = self.doubts.lock().unwrap();
        let is_sure = *doubts == 0 && *self.acknowledges.lock().unwrap();
        *doubts = doubts.saturating_sub(1);
        is_sure
    }

    /// A receipt with the proof of this member alone, as if it held the whole circle.
    fn receipt(
        &self,
        transaction: &Transaction,
        overlay: &Overlay,
        store: &MemoryStore,
    ) -> wire::Receipt {
        let (id, elements) = (transaction.id(), transaction.elements());
        let confirmation = Confirmation {
            peer: self.key(),
            chain: self.credentials.chain().clone(),
            proofs: prove(store, overlay, &id, elements).unwrap(),
        };
        let point = self.key().point();
        let receipt = Receipt {
            transaction: transaction.clone(),
            quorum: 1,
            cells: vec![(ring::KeyRange::new(point, point), vec![self.key()])],
            confirmations: vec![confirmation],
        };
        receipt.to_wire()
    }

    fn refused(&self) -> Result<(), Status> {
        self.refusals
            .lock()
            .unwrap()
            .pop_front()
            .map_or(Ok(()), Err)
    }

    /// Frames from a cursor on, across incarnations.
    fn frames(&self, from: Option<Cursor>, bodies: wire::WithBodies) -> Vec<wire::Frame> {
        let log = self.log.lock().unwrap();
        let mut found = Vec::new();
        for header in log.store.incarnations().unwrap() {
            let incarnation = header.incarnation;
            let from_height = match from {
                Some(cursor) if cursor.incarnation > incarnation => continue,
                Some(cursor) if cursor.incarnation == incarnation => cursor.next_height(),
                _ => 0,
            };
            let read = blocks(&log.store, incarnation, from_height, 10_000, usize::MAX).unwrap();
            found.extend(
                read.blocks
                    .iter()
                    .map(|stored| log.frame(stored, bodies, &self.overlay)),
            );
        }
        // Chains are sent the first time that a stream names them.
        let mut sent = std::collections::BTreeSet::new();
        for body in found.iter_mut().flat_map(|frame| &mut frame.bodies) {
            let id = body
                .chain
                .as_ref()
                .map(|chain| Chain::from_wire(chain.clone()).unwrap().id());
            body.chain = body.chain.take().filter(|_| sent.insert(id));
        }
        found
            .into_iter()
            .map(|block| wire::Frame {
                kind: Some(Kind::Block(block)),
            })
            .collect()
    }

    fn heartbeat(&self) -> Option<wire::Signed> {
        let head = self.head()?;
        let heartbeat = Heartbeat::sign(&self.overlay, head, unix_ms(), self.credentials.key());
        Some(heartbeat.signed().to_wire())
    }
}

impl Log {
    fn cut(&mut self) {
        let mut writes: Vec<Write> = Vec::new();
        self.journal.cut(unix_ms(), &mut writes);
        self.store.commit(writes);
    }

    fn frame(
        &self,
        stored: &StoredBlock,
        bodies: wire::WithBodies,
        overlay: &Overlay,
    ) -> wire::FrameBlock {
        let entries = entries(&self.store, overlay, &stored.block).unwrap();
        let body = |entry: kittengrad_journal::Entry| {
            let mut ids: Vec<_> = entry
                .added
                .iter()
                .filter_map(|element| element.update)
                .collect();
            let inserts = entry
                .transaction
                .entries()
                .iter()
                .filter(|e| e.insert)
                .map(|e| e.canonical);
            ids.extend(inserts);
            let records = self.store.records(&ids).unwrap().into_iter().flatten();
            let chain = self.chains.get(&entry.transaction.envelope().chain);
            wire::Body {
                transaction: Some(entry.transaction.signed().to_wire()),
                records: records
                    .filter(|_| bodies == wire::WithBodies::Records)
                    .collect(),
                chain: chain
                    .filter(|_| bodies == wire::WithBodies::Records)
                    .map(Chain::to_wire),
            }
        };
        let with_bodies = bodies != wire::WithBodies::Unspecified;
        wire::FrameBlock {
            header: Some(stored.block.header.signed().to_wire()),
            items: stored.block.items.clone(),
            bodies: entries
                .into_iter()
                .filter(|_| with_bodies)
                .map(body)
                .collect(),
            offset: stored.offset,
            through: stored.block.through.to_wire(),
        }
    }
}

#[tonic::async_trait]
impl store_server::Store for Fake {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        let request = request.into_inner();
        self.seen.lock().unwrap().push(request.clone());
        self.refused()?;
        self.apply(&request).map(Response::new)
    }

    async fn lookup(
        &self,
        request: Request<wire::LookupRequest>,
    ) -> Result<Response<wire::LookupResponse>, Status> {
        let request = request.into_inner();
        self.lookups.lock().unwrap().push(request.clone());
        self.refused()?;
        let log = self.log.lock().unwrap();
        let set = |canonical: &RecordId| {
            let page = *self.page.lock().unwrap();
            let after = RecordId::from_slice(&request.after).ok();
            let found = log.store.set_page(canonical, after.as_ref(), page + 1);
            let mut updates = found.unwrap();
            let more = updates.as_ref().is_some_and(|found| found.len() > page);
            updates.iter_mut().for_each(|found| found.truncate(page));
            let records = |ids: &[RecordId]| {
                let found = log
                    .store
                    .records(ids)
                    .unwrap()
                    .into_iter()
                    .map(Option::unwrap_or_default);
                found.filter(|_| request.records).collect::<Vec<_>>()
            };
            wire::Set {
                canonical: Bytes::copy_from_slice(canonical.as_bytes()),
                exists: updates.is_some(),
                record: records(&[*canonical]).pop().unwrap_or_default(),
                records: records(&updates.clone().unwrap_or_default()),
                updates: RecordId::concat(&updates.unwrap_or_default()),
                more,
            }
        };
        let canonicals = RecordId::list_from_slice(&request.canonicals).unwrap();
        let mut answer = wire::LookupResponse {
            peer: Bytes::copy_from_slice(self.key().as_bytes()),
            head: Some(
                log.journal
                    .tip()
                    .map_or_else(
                        || Head {
                            incarnation: 1,
                            height: 0,
                            hash: Id::ZERO,
                        },
                        |t| t.head,
                    )
                    .to_wire(),
            ),
            sets: canonicals.iter().map(set).collect(),
            chains: log.chains.values().map(Chain::to_wire).collect(),
        };
        if let Some(lie) = *self.lie.lock().unwrap() {
            lie(&mut answer);
        }
        Ok(Response::new(answer))
    }

    async fn get_record(
        &self,
        request: Request<wire::GetRecordRequest>,
    ) -> Result<Response<wire::GetRecordResponse>, Status> {
        self.refused()?;
        let ids = RecordId::list_from_slice(&request.into_inner().digests).unwrap();
        let records = self.log.lock().unwrap().store.records(&ids).unwrap();
        let mut room = *self.records_max.lock().unwrap();
        let fits = |record: Bytes| {
            let fits = !record.is_empty() && room > 0;
            room -= usize::from(fits);
            if fits { record } else { Bytes::new() }
        };
        let records = records.into_iter().map(Option::unwrap_or_default);
        let records = records.map(fits).collect();
        Ok(Response::new(wire::GetRecordResponse { records }))
    }
}
