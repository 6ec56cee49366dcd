//! Emitting one transaction: adds the elements that the own set lacks, and limits the wait for their records (rfd 7).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_journal::{Journal, JournalError, Store, StoreError, keep_chain};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::Bitmap,
    id::{Id, PublicKey, RecordId},
    record::{Summary, check},
    submission::Submission,
    transaction::{Entry, Transaction},
};

use crate::{
    absent::Absent,
    io::{Event, Fatal, Fetch, Now, Output, Timing},
    source::{Blocked, Waiting},
    wants::Wants,
};

/// Chains remembered as on disk, at most. Beyond that all are forgotten, and the store is asked again.
const CHAINS_MAX: usize = 65_536;

/// Result of an attempt to emit a transaction.
#[derive(Debug)]
pub(crate) enum Step {
    /// It was emitted, or added nothing.
    Done,
    /// It waits for records.
    Blocked,
    /// The block under construction is full.
    Full,
    /// Its source listed a record that no replica admits, for this reason.
    Lie(String),
}

/// State that outlives one transaction.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) wants: Wants,
    pub(crate) absent: Absent,
    /// Monotonic time until which no transaction waits for records, because a wait was in vain.
    hopeless_until_ms: u64,
    /// Chains that are in the store or in the writes of the next block.
    chains_kept: BTreeSet<Id>,
}

impl Memory {
    /// Starts with the absent records only.
    pub(crate) fn new(absent: Absent) -> Self {
        Self {
            absent,
            ..Self::default()
        }
    }

    /// Gives up the wants of a transaction that was emitted or dropped.
    pub(crate) fn release(&mut self, blocked: Option<Blocked>) {
        for record in blocked.into_iter().flat_map(|blocked| blocked.missing) {
            self.wants.release(&record);
        }
    }
}

/// Emits transactions into a journal.
pub(crate) struct Emitter<'a> {
    pub(crate) journal: &'a mut Journal,
    pub(crate) memory: &'a mut Memory,
    pub(crate) timing: Timing,
    pub(crate) now: Now,
    pub(crate) store: &'a dyn Store,
    pub(crate) plants: Plants,
}

impl Emitter<'_> {
    /// Tries to emit a transaction: as it arrived, or after its wait with the records fetched so far.
    pub(crate) fn step(&mut self, waiting: &mut Waiting, out: &mut Output) -> Result<Step, Fatal> {
        if waiting.blocked.is_none() {
            let records = waiting
                .entry
                .records
                .values()
                .map(Bytes::len)
                .sum::<usize>();
            if !self
                .journal
                .has_room(waiting.entry.transaction.signed().size_bytes() + records)
            {
                return Ok(Step::Full);
            }
            self.heal(waiting);
            if self.add_whole(waiting)? {
                return Ok(Step::Done);
            }
            waiting.blocked = Some(self.blocked(waiting, out)?);
        }
        let Some(blocked) = &waiting.blocked else {
            return Ok(Step::Blocked);
        };
        let has_all = blocked
            .missing
            .iter()
            .all(|id| self.memory.wants.get(id).is_some());
        if !has_all && self.now.monotonic_ms < blocked.until_ms {
            if self.plants.has(Plant::AggregatorDropsBlocked) {
                return Ok(Step::Done);
            }
            return Ok(Step::Blocked);
        }
        self.go_on(waiting, blocked, out)
    }

    /// Writes absent records that arrived with a transaction, even if the transaction adds nothing.
    fn heal(&mut self, waiting: &Waiting) {
        for bytes in waiting.entry.records.values() {
            if let Some(write) = self.memory.absent.came(bytes) {
                self.journal.keep(write);
            }
        }
    }

    /// Adds a transaction as it arrived. Returns false if a record is missing; nothing is added then.
    fn add_whole(&mut self, waiting: &mut Waiting) -> Result<bool, Fatal> {
        let records = std::mem::take(&mut waiting.entry.records);
        let transaction = Arc::clone(&waiting.entry.transaction);
        let submission = Submission {
            transaction,
            records,
        };
        match self.journal.add(&submission, |_| true, self.store) {
            Ok(added) => {
                if added.bitmap.count() > 0 {
                    self.keep_chain(waiting)?;
                }
                Ok(true)
            }
            Err(JournalError::MissingRecord(_)) => {
                waiting.entry.records = submission.records;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches the missing records and sets the end of the wait. The wait is over at once if one was in vain less than
    /// [`Timing::hopeless_ms`] ago.
    fn blocked(&mut self, waiting: &Waiting, out: &mut Output) -> Result<Blocked, Fatal> {
        let missing = missing(waiting, self.store)?;
        let now_ms = self.now.monotonic_ms;
        let is_hopeless = now_ms < self.memory.hopeless_until_ms;
        for fetch in &missing {
            self.memory.wants.add(*fetch, now_ms, &mut out.fetches);
        }
        Ok(Blocked {
            missing: missing.into_iter().map(|fetch| fetch.record).collect(),
            until_ms: if is_hopeless {
                now_ms
            } else {
                now_ms + self.timing.record_ms
            },
        })
    }

    /// Emits a transaction whose wait is over, with the records that were fetched.
    fn go_on(
        &mut self,
        waiting: &Waiting,
        blocked: &Blocked,
        out: &mut Output,
    ) -> Result<Step, Fatal> {
        let transaction = waiting.entry.transaction.id();
        let emission = match assemble(waiting, &blocked.missing, &self.memory.wants) {
            Ok(emission) => emission,
            Err(record) => {
                let why = format!(
                    "it lists transaction {transaction:?}, but record {record} does not fit its entry"
                );
                return Ok(Step::Lie(why));
            }
        };
        if !self.journal.has_room(emission.submission.size_bytes()) {
            return Ok(Step::Full);
        }
        let canonicals = emission.left_out.len();
        if canonicals > 0 {
            out.events.push(Event::Partly {
                transaction,
                canonicals,
            });
        }
        let absent = &emission.absent;
        if !absent.is_empty() {
            out.events.push(Event::WithoutRecords {
                transaction,
                records: absent.len(),
            });
        }
        let was_in_vain = canonicals > 0 || !absent.is_empty();
        if was_in_vain && self.now.monotonic_ms >= self.memory.hopeless_until_ms {
            self.memory.hopeless_until_ms = self.now.monotonic_ms + self.timing.hopeless_ms;
        }
        let holds = |canonical: &RecordId| !emission.left_out.contains(canonical);
        let records = absent.keys().copied().collect();
        let submission = &emission.submission;
        let added = self
            .journal
            .add_without(submission, holds, &records, self.store)?;
        if added.bitmap.count() > 0 {
            self.keep_chain(waiting)?;
        }
        let publisher = waiting.entry.transaction.publisher();
        for (record, canonical) in &emission.absent {
            let fetch = Fetch {
                canonical: *canonical,
                record: *record,
            };
            let now_ms = self.now.monotonic_ms;
            self.memory.absent.add(fetch, publisher, now_ms);
        }
        Ok(Step::Done)
    }

    /// Writes the publisher's certificates with the transaction, if they are not in the store yet.
    fn keep_chain(&mut self, waiting: &Waiting) -> Result<(), StoreError> {
        let chain = &waiting.entry.chain;
        if self.memory.chains_kept.contains(&chain.id()) {
            return Ok(());
        }
        if self.store.chain(&chain.id())?.is_none() {
            for write in keep_chain(chain, waiting.entry.transaction.publisher()) {
                self.journal.keep(write);
            }
        }
        if self.memory.chains_kept.len() >= CHAINS_MAX {
            self.memory.chains_kept.clear();
        }
        self.memory.chains_kept.insert(chain.id());
        Ok(())
    }
}

/// The missing records of a transaction: updates that the own set lacks and inserted canonicals. Not those that arrived
/// with it, nor canonicals in the store.
fn missing(waiting: &Waiting, store: &dyn Store) -> Result<Vec<Fetch>, StoreError> {
    let transaction = &waiting.entry.transaction;
    let came = &waiting.entry.records;
    let elements: Vec<_> = transaction.elements().collect();
    let known = store.contains(&elements)?;
    let mut missing = Vec::new();
    for (element, _) in elements.iter().zip(known).filter(|(_, known)| !known) {
        let canonical = element.canonical;
        if let Some(record) = element.update.filter(|update| !came.contains_key(update)) {
            missing.push(Fetch { canonical, record });
        }
    }
    let inserts = transaction.entries().iter().filter(|entry| entry.insert);
    let inserts: Vec<_> = inserts.map(|entry| entry.canonical).collect();
    for (canonical, here) in inserts.iter().zip(store.records(&inserts)?) {
        if here.is_none() && !came.contains_key(canonical) {
            missing.push(Fetch {
                canonical: *canonical,
                record: *canonical,
            });
        }
    }
    Ok(missing)
}

/// The content of a transaction that is emitted after a wait.
struct Emission {
    submission: Submission,
    /// Canonicals that are left out until a journal lists them.
    left_out: BTreeSet<RecordId>,
    /// Records without bytes whose elements are emitted, each with its canonical.
    absent: BTreeMap<RecordId, RecordId>,
}

/// Joins a transaction with its fetched records. An entry with a missing record is left out if the source does not list
/// it. A listed entry is emitted without the bytes.
///
/// `Err` names a record that does not fit its listed entry: no replica admits it.
fn assemble(waiting: &Waiting, missing: &[RecordId], wants: &Wants) -> Result<Emission, RecordId> {
    let transaction = &waiting.entry.transaction;
    let mut records = waiting.entry.records.clone();
    let (mut left_out, mut all_absent) = (BTreeSet::new(), BTreeMap::new());
    let missing: BTreeSet<_> = missing.iter().collect();
    for (entry, is_listed) in entries(transaction, &waiting.bitmap) {
        let names = entry
            .updates
            .iter()
            .chain(entry.insert.then_some(&entry.canonical));
        let mut absent = BTreeMap::new();
        for id in names.filter(|id| missing.contains(id)) {
            match wants.get(id) {
                Some(bytes) if fits(bytes, id, entry, transaction.publisher()) => {
                    records.insert(*id, bytes.clone());
                }
                Some(_) if is_listed => return Err(*id),
                _ => drop(absent.insert(*id, entry.canonical)),
            }
        }
        if is_listed {
            all_absent.append(&mut absent);
        } else if !absent.is_empty() {
            left_out.insert(entry.canonical);
        }
    }
    let transaction = Arc::clone(transaction);
    Ok(Emission {
        submission: Submission {
            transaction,
            records,
        },
        left_out,
        absent: all_absent,
    })
}

/// The entries of a transaction, each with whether the source lists an element of it.
fn entries<'a>(
    transaction: &'a Transaction,
    bitmap: &'a Bitmap,
) -> impl Iterator<Item = (&'a Entry, bool)> {
    let mut next = 0;
    transaction.entries().iter().map(move |entry| {
        let bits = next..next + entry.updates.len().max(1);
        next = bits.end;
        (entry, bits.into_iter().any(|bit| bitmap.is_set(bit)))
    })
}

/// Whether a record is its entry's canonical, or one of its updates by this publisher.
fn fits(bytes: &Bytes, id: &RecordId, entry: &Entry, publisher: PublicKey) -> bool {
    match check(bytes) {
        Ok(Summary::Canonical { .. }) => *id == entry.canonical,
        Ok(Summary::Statement {
            reference,
            publisher: by,
            ..
        }) => reference == entry.canonical && by == publisher && entry.updates.contains(id),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::{MemoryStore, Write};
    use kittengrad_proto::{block::Holds, certificate::Chain, record::Record};
    use kittengrad_support::{
        journals::{FakeKey, overlay, submission},
        samples::{artefact, named, update},
    };

    use super::*;
    use crate::io::SourceEntry;

    const PUBLISHER: PublicKey = PublicKey::new([7; 32]);

    #[test]
    fn a_record_fits_only_the_element_that_it_is() {
        let (canonical, canonical_bytes) = named(&artefact("a work"));
        let (update, update_bytes) = named(&Record::Update(update(canonical, PUBLISHER, 1)));
        let entry = |canonical, updates: &[RecordId]| Entry {
            canonical,
            insert: true,
            updates: updates.to_vec(),
        };
        let whole = entry(canonical, &[update]);
        assert!(fits(&canonical_bytes, &canonical, &whole, PUBLISHER));
        assert!(fits(&update_bytes, &update, &whole, PUBLISHER));
        assert!(!fits(
            &update_bytes,
            &update,
            &whole,
            PublicKey::new([8; 32])
        ));
        let without = entry(canonical, &[]);
        assert!(!fits(&update_bytes, &update, &without, PUBLISHER));
        let other = entry(RecordId::new([9; 32]), &[canonical, update]);
        assert!(!fits(&canonical_bytes, &canonical, &other, PUBLISHER));
        assert!(!fits(&update_bytes, &update, &other, PUBLISHER));
    }

    /// Keeps a chain after `kept` others. Returns the number of its writes, and of the chains remembered then.
    fn keep_after(kept: usize, store: &MemoryStore, times: usize) -> (usize, usize) {
        let signer = Arc::new(FakeKey(1));
        let mut journal = Journal::open(overlay(), signer, 1, None, Holds::whole(), &[]);
        let mut memory = Memory::default();
        let number = |n: usize| Id::of(&[&n.to_be_bytes()]);
        memory.chains_kept = (0..kept).map(number).collect();
        let mut emitter = Emitter {
            journal: &mut journal,
            memory: &mut memory,
            timing: Timing::default(),
            now: Now::default(),
            store,
            plants: Plants::NONE,
        };
        let der = [&b"leaf"[..], b"level 0"].map(Bytes::from_static);
        let waiting = Waiting {
            entry: SourceEntry {
                transaction: submission(1, &[(1, true, vec![])]).transaction,
                records: BTreeMap::new(),
                chain: Arc::new(Chain::from_der(der.into()).unwrap()),
            },
            bitmap: Bitmap::new([true]),
            blocked: None,
        };
        for _ in 0..times {
            emitter.keep_chain(&waiting).unwrap();
        }
        let mut writes = Vec::new();
        journal.cut(1, &mut writes);
        let is_chain = |write: &&Write| matches!(write, Write::Chain(..));
        let chains = writes.iter().filter(is_chain).count();
        (chains, memory.chains_kept.len())
    }

    #[test]
    fn the_chains_remembered_as_kept_are_few() {
        let store = MemoryStore::default();
        for (kept, remembered) in [(0, 1), (65_535, 65_536), (65_536, 1)] {
            let found = keep_after(kept, &store, 1);
            assert_eq!(found, (1, remembered), "after {kept}");
        }
        assert_eq!(keep_after(0, &store, 2), (1, 1), "written once");
    }
}
