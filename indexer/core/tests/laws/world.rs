//! A small world of publishers and statements, a store in memory, and a driver that may crash.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_client_core::view::{document::Document, fold::fold};
use kittengrad_indexer_core::{
    Block, Commit, Digest, Indexer, Input, Last, Output, PublisherName, Publishers, Set, State,
    Store, StoreError, Stored, Transaction, Wanted, document_hash,
};
use kittengrad_proto::{
    block::Head,
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    record::{Canonical, CanonicalType, Record, Retraction, Update},
    transaction::Element,
};
use kittengrad_support::samples::{self, named};
use proptest::prelude::*;

pub(crate) const TATE: PublicKey = PublicKey::new([1; 32]);
pub(crate) const CMOA: PublicKey = PublicKey::new([2; 32]);

pub(crate) fn overlay() -> Overlay {
    Overlay {
        network: Id::of(&[b"root"]),
        namespace: "demo".parse().unwrap(),
    }
}

pub(crate) fn canonical(number: u8) -> (RecordId, Bytes) {
    let kind = if number.is_multiple_of(2) {
        CanonicalType::Artefact
    } else {
        CanonicalType::Entity
    };
    named(&Record::Canonical(Canonical::identified(
        kind,
        format!("test:{number}"),
    )))
}

pub(crate) fn update(
    of: RecordId,
    publisher: PublicKey,
    timestamp_ms: u64,
    name: &str,
    previous: &[RecordId],
) -> Update {
    let mut previous = previous.to_vec();
    previous.sort_unstable();
    previous.dedup();
    Update {
        name: Some(name.to_owned()),
        meta: BTreeMap::from([("said".to_owned(), Ipld::String(name.to_owned()))]),
        previous,
        ..samples::update(of, publisher, timestamp_ms)
    }
}

pub(crate) fn retraction(
    of: RecordId,
    publisher: PublicKey,
    timestamp_ms: u64,
    target: RecordId,
) -> Record {
    Record::Retraction(Retraction {
        reference: of,
        target,
        publisher,
        timestamp_ms,
    })
}

/// One block with one transaction.
pub(crate) fn block(
    height: u64,
    publisher: PublicKey,
    entries: &[(Element, Vec<(RecordId, Bytes)>)],
) -> Block {
    let records = entries
        .iter()
        .flat_map(|(_, records)| records.clone())
        .collect();
    let added = entries.iter().map(|(element, _)| *element).collect();
    let publisher_name = Some(if publisher == TATE { "Tate" } else { "CMOA" }.to_owned());
    Block {
        last: Last {
            journal: PublicKey::new([9; 32]),
            head: Head {
                incarnation: 1,
                height,
                hash: Id::of(&[&height.to_be_bytes()]),
            },
            time_ms: height,
        },
        transactions: vec![Transaction {
            publisher,
            publisher_name,
            created_ms: height,
            added,
            records,
        }],
    }
}

/// A journal: its blocks, and the records that they lack.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    pub(crate) blocks: Vec<Block>,
    pub(crate) withheld: BTreeMap<RecordId, BTreeMap<RecordId, Bytes>>,
}

/// A step of a random history: (canonical, publisher, kind of statement, earlier statement, time, withheld).
type Step = (u8, bool, u8, prop::sample::Index, u8, bool);

pub(crate) fn arbitrary_journal() -> impl Strategy<Value = Journal> {
    let step = (
        0..3_u8,
        any::<bool>(),
        0..6_u8,
        any::<prop::sample::Index>(),
        0..4_u8,
        any::<bool>(),
    );
    prop::collection::vec(step, 1..25).prop_map(|steps| journal(&steps))
}

fn journal(steps: &[Step]) -> Journal {
    let mut statements: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    let mut journal = Journal {
        blocks: Vec::new(),
        withheld: BTreeMap::new(),
    };
    for (height, (number, is_tate, kind, on, time, is_withheld)) in steps.iter().enumerate() {
        let (of, canonical_record) = canonical(*number);
        let publisher = if *is_tate { TATE } else { CMOA };
        let earlier = statements.entry(of).or_default();
        let target = (!earlier.is_empty()).then(|| earlier[on.index(earlier.len())]);
        let record = match (kind, target) {
            (0, _) => None,
            (1, Some(target)) => Some(retraction(of, publisher, u64::from(*time), target)),
            (2 | 3, Some(target)) => {
                let name = format!("replaced at {height}");
                Some(Record::Update(update(
                    of,
                    publisher,
                    u64::from(*time),
                    &name,
                    &[target],
                )))
            }
            _ => Some(Record::Update(update(
                of,
                publisher,
                u64::from(*time),
                &format!("said at {height}"),
                &[],
            ))),
        };
        let record = record.as_ref().map(named);
        earlier.extend(record.as_ref().map(|(id, _)| *id));
        let element = Element {
            canonical: of,
            update: record.as_ref().map(|(id, _)| *id),
        };
        let mut records: Vec<_> = record.into_iter().collect();
        records.push((of, canonical_record));
        if *is_withheld {
            journal
                .withheld
                .entry(of)
                .or_default()
                .extend(records.drain(..));
        }
        journal
            .blocks
            .push(block(height as u64, publisher, &[(element, records)]));
    }
    journal
}

/// The documents of a journal by definition: every set in full, folded once.
pub(crate) fn by_definition(
    journal: &Journal,
    with_withheld: bool,
) -> BTreeMap<RecordId, Document> {
    let mut records: BTreeMap<RecordId, Bytes> = BTreeMap::new();
    let mut sets: BTreeMap<RecordId, BTreeSet<RecordId>> = BTreeMap::new();
    for transaction in journal.blocks.iter().flat_map(|block| &block.transactions) {
        records.extend(transaction.records.clone());
        for element in &transaction.added {
            sets.entry(element.canonical)
                .or_default()
                .extend(element.update);
        }
    }
    if with_withheld {
        records.extend(
            journal
                .withheld
                .values()
                .flatten()
                .map(|(id, record)| (*id, record.clone())),
        );
    }
    let document = |(of, set): (RecordId, BTreeSet<RecordId>)| {
        let set = set
            .into_iter()
            .map(|id| (id, records.get(&id).cloned()))
            .collect();
        (
            of,
            fold(of, records.get(&of).map(|record| &record[..]), &set),
        )
    };
    sets.into_iter().map(document).collect()
}

pub(crate) fn digest_of<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Digest {
    let mut digest = Digest::default();
    documents
        .into_iter()
        .for_each(|document| digest.add(&document_hash(document)));
    digest
}

/// A disk in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) documents: BTreeMap<RecordId, Document>,
    sets: BTreeMap<RecordId, (Bytes, Id)>,
    pub(crate) publishers: BTreeMap<PublicKey, PublisherName>,
    state: Option<String>,
}

impl Store for Disk {
    fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, StoreError> {
        let stored = self.sets.get(canonical);
        Ok(stored.map(|(set, hash)| Stored {
            set: Set::decode(set.clone()).unwrap(),
            hash: *hash,
        }))
    }

    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        let sets = self
            .sets
            .iter()
            .map(|(id, (set, _))| (*id, Set::decode(set.clone()).unwrap()));
        Ok(sets
            .filter(|(_, set)| set.absent_count() > 0)
            .map(|(id, _)| id)
            .take(limit)
            .collect())
    }
}

impl Disk {
    pub(crate) fn state(&self) -> State {
        self.state.as_ref().map_or_else(
            || State::new(overlay()),
            |text| State::decode(text).unwrap(),
        )
    }

    fn write(&mut self, commit: Commit) {
        for changed in commit.changed {
            let of = changed.document.canonical;
            assert_eq!(changed.replaces, self.sets.contains_key(&of));
            self.sets.insert(of, (changed.set.encode(), changed.hash));
            self.documents.insert(of, changed.document);
        }
        self.publishers.extend(commit.publishers);
        self.state = Some(commit.state.encode());
    }

    /// Checks counts and digest against the documents.
    pub(crate) fn check(&self) {
        let state = self.state();
        assert_eq!(state.digest, digest_of(self.documents.values()));
        assert_eq!(state.counts.documents, self.documents.len() as u64);
        let updates: usize = self
            .documents
            .values()
            .map(|document| document.statements.len())
            .sum();
        assert_eq!(state.counts.updates, updates as u64);
        let absent: usize = self
            .sets
            .values()
            .map(|(set, _)| Set::decode(set.clone()).unwrap().absent_count())
            .sum();
        assert_eq!(state.counts.absent, absent as u64);
    }
}

/// An indexer with its disk.
pub(crate) struct Driver {
    pub(crate) disk: Disk,
    pub(crate) indexer: Indexer,
    pub(crate) news: usize,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self::on(Disk::default())
    }

    pub(crate) fn on(disk: Disk) -> Self {
        let mut publishers = Publishers::default();
        for (key, name) in &disk.publishers {
            publishers.learn(*key, name.clone());
        }
        let indexer = Indexer::resume(disk.state(), publishers);
        Self {
            disk,
            indexer,
            news: 0,
        }
    }

    /// Loses everything that was not committed.
    pub(crate) fn crash(self) -> Self {
        Self::on(self.disk)
    }

    /// Hands an input in; returns the canonicals to look up.
    pub(crate) fn feed(&mut self, now_ms: u64, input: Input) -> Vec<RecordId> {
        let wanted = self.fed(now_ms, input).into_iter();
        wanted.map(|wanted| wanted.canonical).collect()
    }

    /// Hands an input in; returns the records to look up.
    pub(crate) fn fed(&mut self, now_ms: u64, input: Input) -> Vec<Wanted> {
        self.handle(now_ms, input).fetch
    }

    /// Hands an input in, and writes its commit.
    pub(crate) fn handle(&mut self, now_ms: u64, input: Input) -> Output {
        let mut out = Output::default();
        self.indexer
            .handle(now_ms, input, &self.disk, &mut out)
            .unwrap();
        if let Some(commit) = out.commit.clone() {
            self.news += commit.news.len();
            self.disk.write(commit);
            self.disk.check();
        }
        out
    }

    pub(crate) fn block(&mut self, block: &Block) {
        self.feed(0, Input::Block(block.clone()));
    }

    pub(crate) fn cut(&mut self) {
        self.feed(0, Input::Cut);
    }
}
