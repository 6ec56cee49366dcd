//! What clients said and were told, and when, judged as it happens by the invariants of the simulator.

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

/// How often something happened.
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

/// One question at a time: only answers to questions that were asked one after another have an order.
pub(super) type Turn = tokio::sync::Mutex<()>;

struct Inner {
    outside: Outside,
    /// The newest journal that each showed.
    incarnations: BTreeMap<Node, u64>,
    /// Whose disks lost something, so that they may begin anew.
    lossy: BTreeSet<Node>,
    said: BTreeSet<RecordId>,
    acknowledged: BTreeSet<RecordId>,
    counts: Counts,
    violation: Option<String>,
    log: BufWriter<File>,
}

impl History {
    /// An empty history, which is also written to a file.
    pub(super) fn new(path: &Path, quorum: usize) -> Self {
        let inner = Inner {
            outside: Outside::default(),
            incarnations: BTreeMap::new(),
            lossy: BTreeSet::new(),
            said: BTreeSet::new(),
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

    /// Microseconds since the history began.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client is going to send this.
    pub(super) fn says(&self, said: &Transaction) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        inner.outside.says(said);
        let canonicals = said.entries().iter().map(|entry| entry.canonical);
        inner.said.extend(canonicals);
        inner.counts.asked += 1;
        let id = said.id().to_string();
        inner.write(&json!({ "at_us": at_us, "says": id }));
    }

    /// What came of sending something.
    pub(super) fn is_told(
        &self,
        said: &Transaction,
        asked_us: u64,
        told: Result<&Submitted, String>,
    ) {
        let mut inner = self.inner();
        let at_us = self.now_us();
        let id = said.id().to_string();
        let why = match told {
            Ok(submitted) if submitted.acknowledged => {
                let receipt = submitted.receipt.as_ref();
                let proved =
                    inner
                        .outside
                        .acknowledges(said, receipt, self.quorum, &Ed25519, at_us);
                inner.judge(proved, at_us);
                let canonicals = said.entries().iter().map(|entry| entry.canonical);
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

    /// Whose turn it is to ask a member alone.
    pub(super) fn turn(&self, node: Node) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap();
        Arc::clone(turns.entry(node).or_default())
    }

    /// One member alone answered.
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

    /// An index shows what a document is made of.
    pub(super) fn indexes(&self, canonical: RecordId, updates: &BTreeSet<RecordId>) {
        let updates: Vec<_> = updates.iter().copied().collect();
        let at_us = self.now_us();
        let mut inner = self.inner();
        let checked = inner
            .outside
            .shows(Node::Indexer, canonical, Some(&updates));
        inner.judge(checked, at_us);
    }

    /// Several replicas answered, to a question of `began_us`.
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

    /// Why an answer lacks something that was acknowledged before `before_us`, if it does.
    pub(super) fn lacks(&self, answer: &Answer, before_us: u64) -> Option<String> {
        let inner = self.inner();
        let looked = inner
            .outside
            .looks(answer.canonical, &merged(answer), before_us);
        looked.err().map(|violation| violation.what)
    }

    /// A journal shows a block.
    pub(super) fn sees(&self, header: &Header) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        inner.counts.blocks += 1;
        let checked = inner.outside.sees(header);
        inner.judge(checked, at_us);
    }

    /// A disk may have lost something: its owner may begin anew.
    pub(super) fn loses(&self, node: Node) {
        let mut inner = self.inner();
        inner.lossy.insert(node);
        if node == Node::Indexer {
            inner.outside.forget_reads(node);
        }
    }

    /// Whoever lost something has everything again.
    pub(super) fn heals(&self, node: Node) {
        self.inner().lossy.remove(&node);
    }

    /// Looks at what is kept of it.
    pub(super) fn judge(&self, look: impl FnOnce(&mut Outside) -> Verdict) {
        let at_us = self.now_us();
        let mut inner = self.inner();
        let checked = look(&mut inner.outside);
        inner.judge(checked, at_us);
    }

    /// A promise is broken that no invariant of the simulator is about.
    pub(super) fn violates(&self, what: String) {
        let mut inner = self.inner();
        inner.violation.get_or_insert(what);
        inner.log.flush().unwrap();
    }

    /// A fault strikes; for whoever reads the history.
    pub(super) fn strikes(&self, what: &str) {
        let at_us = self.now_us();
        self.inner()
            .write(&json!({ "at_us": at_us, "strikes": what }));
    }

    /// The first broken promise.
    pub(super) fn violation(&self) -> Option<String> {
        self.inner().violation.clone()
    }

    /// Everything that anybody said something about.
    pub(super) fn canonicals(&self) -> Vec<RecordId> {
        self.inner().said.iter().copied().collect()
    }

    /// Whether something about it was acknowledged, so that it exists.
    pub(super) fn is_acknowledged(&self, canonical: &RecordId) -> bool {
        self.inner().acknowledged.contains(canonical)
    }

    /// Looks at the counts.
    pub(super) fn counts<T>(&self, look: impl FnOnce(&Counts) -> T) -> T {
        look(&self.inner().counts)
    }
}

impl Inner {
    fn judge(&mut self, verdict: Verdict, at_us: u64) {
        if let Err(violation) = verdict {
            let (invariant, source) = (violation.invariant, violation.source);
            let what = format!("{invariant} ({source}) at {at_us} us: {}", violation.what);
            self.write(&json!({ "at_us": at_us, "violates": what }));
            self.violation.get_or_insert(what);
            self.log.flush().unwrap();
        }
    }

    /// Only a disk that lost something begins a new journal, and what it showed before may be gone.
    fn begins(&mut self, node: Node, incarnation: u64, at_us: u64) {
        let known = self.incarnations.insert(node, incarnation);
        if known.is_none_or(|known| known == incarnation) {
            return;
        }
        self.outside.forget_reads(node);
        self.write(&json!({ "at_us": at_us, "begins": node.to_string(), "as": incarnation }));
        if !self.lossy.contains(&node) {
            let what = format!(
                "{node} begins incarnation {incarnation} after {known:?}, with its disk whole"
            );
            self.violation.get_or_insert(what);
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

/// An answer as the cores know it; which block each replica was at does not matter here.
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
