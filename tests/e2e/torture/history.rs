//! The history of a network: transactions, answers and their times, judged at once by the invariants of the simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use kittengrad_client::{lookup::Answer, submit::Submitted};
use kittengrad_client_core::merge::Merged;
use kittengrad_proto::{
    block::{Head, Header},
    id::{Id, RecordId},
    signed::Ed25519,
    transaction::Transaction,
};
use kittengrad_sim::{
    Node,
    invariants::{Outside, Verdict},
};
use serde_json::{Value, json};

/// The counts of a history.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) asked: u64,
    pub(super) acknowledged: u64,
    pub(super) unknown: u64,
    pub(super) lookups: u64,
    pub(super) complete: u64,
    pub(super) blocks: u64,
}

/// The history of one network.
pub(super) struct History {
    begun: Instant,
    quorum: usize,
    inner: Mutex<Inner>,
    turns: Mutex<BTreeMap<Node, Arc<Turn>>>,
}

/// Serialises the questions to one member, because only answers to consecutive questions have an order.
pub(super) type Turn = tokio::sync::Mutex<()>;

struct Inner {
    outside: Outside,
    /// The newest incarnation that each node showed.
    incarnations: BTreeMap<Node, u64>,
    /// Nodes whose disks lost data, so that they may start a new incarnation and forget.
    lossy: BTreeSet<Node>,
    canonicals: BTreeSet<RecordId>,
    acknowledged: BTreeSet<RecordId>,
    counts: Counts,
    violation: Option<String>,
    log: BufWriter<File>,
}

impl History {
    /// An empty history, which is also written to a file as NDJSON.
    pub(super) fn new(path: &Path, quorum: usize) -> Self {
        let inner = Inner {
            outside: Outside::default(),
            incarnations: BTreeMap::new(),
            lossy: BTreeSet::new(),
            canonicals: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            counts: Counts::default(),
            violation: None,
            log: BufWriter::new(File::create(path).unwrap()),
        };
        Self {
            begun: Instant::now(),
            quorum,
            inner: Mutex::new(inner),
            turns: Mutex::default(),
        }
    }

    /// Microseconds since the history started.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a transaction that a client is going to send.
    pub(super) fn says(&self, transaction: &Transaction) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        inner.outside.says(transaction);
        let canonicals = transaction.entries().iter().map(|entry| entry.canonical);
        inner.canonicals.extend(canonicals);
        inner.counts.asked += 1;
        let id = transaction.id().to_string();
        inner.write(&json!({ "at_us": at_us, "says": id }));
    }

    /// Notes the outcome of a transaction, and checks its receipt.
    pub(super) fn is_told(
        &self,
        transaction: &Transaction,
        asked_us: u64,
        told: Result<&Submitted, String>,
    ) {
        let mut inner = self.inner();
        let at_us = self.now_us();
        let id = transaction.id().to_string();
        let why = match told {
            Ok(submitted) if submitted.acknowledged => {
                let receipt = submitted.receipt.as_ref();
                let proved =
                    inner
                        .outside
                        .acknowledges(transaction, receipt, self.quorum, &Ed25519, at_us);
                inner.judge(proved, at_us);
                let canonicals = transaction.entries().iter().map(|entry| entry.canonical);
                inner.acknowledged.extend(canonicals);
                inner.counts.acknowledged += 1;
                let synced: Vec<_> = submitted
                    .synced
                    .iter()
                    .map(|of| format!("{of:?}"))
                    .collect();
                return inner.write(&json!({
                    "at_us": at_us, "asked_us": asked_us, "acknowledged": id, "synced": synced,
                }));
            }
            Ok(submitted) => format!("on {} disks", submitted.synced.len()),
            Err(why) => why,
        };
        inner.counts.unknown += 1;
        inner.write(&json!({ "at_us": at_us, "asked_us": asked_us, "unknown": id, "why": why }));
    }

    /// The lock of the questions to one member.
    pub(super) fn turn(&self, node: Node) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap();
        Arc::clone(turns.entry(node).or_default())
    }

    /// Checks the answer of one member.
    pub(super) fn shows(&self, node: Node, answer: &Answer) {
        let Some(incarnation) = answer.answered_by.first().map(|by| by.incarnation) else {
            return;
        };
        let updates: Vec<_> = answer.updates.keys().copied().collect();
        let set = answer.exists.then_some(&updates[..]);
        let at_us = self.now_us();
        let mut inner = self.inner();
        inner.begins(node, incarnation, at_us);
        let checked = inner.outside.shows(node, answer.canonical, set);
        inner.judge(checked, at_us);
        inner.looked(answer, &node.to_string(), at_us);
    }

    /// Checks the updates of a document in an index.
    pub(super) fn indexes(&self, canonical: RecordId, updates: &BTreeSet<RecordId>) {
        let updates: Vec<_> = updates.iter().copied().collect();
        let at_us = self.now_us();
        let mut inner = self.inner();
        let checked = inner
            .outside
            .shows(Node::Indexer, canonical, Some(&updates));
        inner.judge(checked, at_us);
    }

    /// Checks the answer of several replicas to a question that was asked at `began_us`.
    pub(super) fn looks(&self, answer: &Answer, began_us: u64) {
        let mut inner = self.inner();
        let at_us = self.now_us();
        if answer.complete {
            inner.counts.complete += 1;
            let merged = merged(answer);
            let checked = inner.outside.looks(answer.canonical, &merged, began_us);
            inner.judge(checked, at_us);
        }
        inner.looked(answer, "replicas", at_us);
    }

    /// Returns why an answer lacks an element that was acknowledged before `before_us`, if it does.
    pub(super) fn lacks(&self, answer: &Answer, before_us: u64) -> Option<String> {
        let inner = self.inner();
        let looked = inner
            .outside
            .looks(answer.canonical, &merged(answer), before_us);
        looked.err().map(|violation| violation.what)
    }

    /// Checks a block of a journal.
    pub(super) fn sees(&self, header: &Header) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        inner.counts.blocks += 1;
        let checked = inner.outside.sees(header);
        inner.judge(checked, at_us);
    }

    /// Notes that a disk may have lost data, so that its owner may start a new incarnation.
    pub(super) fn loses(&self, node: Node) {
        let mut inner = self.inner();
        inner.lossy.insert(node);
        if node == Node::Indexer {
            inner.outside.forget_reads(node);
        }
    }

    /// Notes that a node has everything again after a loss.
    pub(super) fn heals(&self, node: Node) {
        self.inner().lossy.remove(&node);
    }

    /// Runs a check of the invariants.
    pub(super) fn judge(&self, look: impl FnOnce(&mut Outside) -> Verdict) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        let checked = look(&mut inner.outside);
        inner.judge(checked, at_us);
    }

    /// Notes a broken promise that no invariant of the simulator covers.
    pub(super) fn violates(&self, message: String) {
        let mut inner = self.inner();
        inner.violation.get_or_insert(message);
        inner.log.flush().unwrap();
    }

    /// Writes a fault to the history, for its readers.
    pub(super) fn strikes(&self, fault: &str) {
        let at_us = self.now_us();
        self.inner()
            .write(&json!({ "at_us": at_us, "strikes": fault }));
    }

    /// The first broken promise.
    pub(super) fn violation(&self) -> Option<String> {
        self.inner().violation.clone()
    }

    /// The canonicals of all transactions so far.
    pub(super) fn canonicals(&self) -> Vec<RecordId> {
        self.inner().canonicals.iter().copied().collect()
    }

    /// Whether a transaction about a canonical was acknowledged, so that the canonical exists.
    pub(super) fn is_acknowledged(&self, canonical: &RecordId) -> bool {
        self.inner().acknowledged.contains(canonical)
    }

    /// Reads the counts.
    pub(super) fn counts<T>(&self, look: impl FnOnce(&Counts) -> T) -> T {
        look(&self.inner().counts)
    }
}

impl Inner {
    fn judge(&mut self, verdict: Verdict, at_us: u64) {
        if let Err(violation) = verdict {
            let (invariant, source) = (violation.invariant, violation.source);
            let message = format!("{invariant} ({source}) at {at_us} us: {}", violation.what);
            self.write(&json!({ "at_us": at_us, "violates": message }));
            self.violation.get_or_insert(message);
            self.log.flush().unwrap();
        }
    }

    /// Notes the incarnation of an answer. After a loss, a disk starts a new one, and its earlier answers may be gone. An
    /// aggregator also starts a later one whenever its process starts, and its earlier answers count as before.
    fn begins(&mut self, node: Node, incarnation: u64, at_us: u64) {
        let known = self.incarnations.insert(node, incarnation);
        let Some(known) = known.filter(|known| *known != incarnation) else {
            return;
        };
        self.write(&json!({ "at_us": at_us, "begins": node.to_string(), "as": incarnation }));
        if self.lossy.contains(&node) {
            self.outside.forget_reads(node);
            return;
        }
        let is_start = node == Node::Aggregator && incarnation > known;
        if !is_start {
            let message = format!(
                "{node} begins incarnation {incarnation} after {known}, with its disk whole"
            );
            self.violation.get_or_insert(message);
        }
    }

    fn looked(&mut self, answer: &Answer, at: &str, at_us: u64) {
        self.counts.lookups += 1;
        let (canonical, updates) = (answer.canonical.to_string(), answer.updates.len());
        self.write(&json!({
            "at_us": at_us, "looks": canonical, "at": at, "exists": answer.exists, "updates": updates,
            "complete": answer.complete,
        }));
    }

    fn write(&mut self, line: &Value) {
        writeln!(self.log, "{line}").unwrap();
    }
}

/// An answer as the cores know it. The blocks of the replicas do not matter here, so their hashes are zero.
fn merged(answer: &Answer) -> Merged {
    let by = answer.answered_by.iter().map(|by| {
        let head = Head {
            incarnation: by.incarnation,
            height: by.height,
            hash: Id::ZERO,
        };
        (by.peer, head)
    });
    Merged {
        exists: answer.exists,
        updates: answer.updates.keys().copied().collect(),
        answered_by: by.collect(),
        complete: answer.complete,
    }
}
