//! Emitting one item of a source: adds the elements that it lists and the own set lacks (rfd 11).

use std::{collections::BTreeSet, mem, sync::Arc};

use kittengrad_journal::{Journal, Listed, Store, StoreError, keep_chain};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{block::Bitmap, id::Id, submission::Submission};

use crate::{
    absent::Absent,
    io::{Event, Fatal, Fetch, Now, Output},
    waiting::{Step, Waiting, Whole},
};

/// Chains remembered as on disk, at most. Beyond that all are forgotten, and the store is asked again.
const CHAINS_MAX: usize = 65_536;

/// State that outlives one item.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) absent: Absent,
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
}

/// Emits items into a journal.
pub(crate) struct Emitter<'a> {
    pub(crate) journal: &'a mut Journal,
    pub(crate) memory: &'a mut Memory,
    pub(crate) now: Now,
    pub(crate) store: &'a dyn Store,
    pub(crate) plants: Plants,
}

impl Emitter<'_> {
    /// Tries to emit an item. Without a body, only looks whether its elements are here.
    pub(crate) fn step(&mut self, waiting: &mut Waiting, out: &mut Output) -> Result<Step, Fatal> {
        match waiting {
            Waiting::Whole(whole) => self.emit(whole, out),
            Waiting::Bare(bare) => {
                let now_ms = self.now.monotonic_ms;
                Ok(bare.look(self.journal, self.store, now_ms, self.plants)?)
            }
        }
    }

    /// Emits an item: exactly the elements that it lists and that the own set lacks, with the records that came.
    fn emit(&mut self, waiting: &mut Whole, out: &mut Output) -> Result<Step, Fatal> {
        let submission = Submission {
            transaction: Arc::clone(&waiting.entry.transaction),
            records: mem::take(&mut waiting.entry.records),
        };
        let emits_whole = self.plants.has(Plant::AggregatorEmitsWhole);
        let whole =
            emits_whole.then(|| Bitmap::new(submission.transaction.elements().map(|_| true)));
        let listed = whole.as_ref().unwrap_or(&waiting.bitmap);
        let Some(added) = self.journal.add_listed(&submission, listed, self.store)? else {
            waiting.entry.records = submission.records;
            return Ok(Step::Full);
        };
        if added.bitmap.count() > 0 {
            self.keep_chain(waiting)?;
        }
        self.heal(&submission)?;
        self.note_absent(&submission, &added, out)?;
        Ok(Step::Done)
    }

    /// Writes the absent records that came with an item, even if the item adds nothing.
    fn heal(&mut self, submission: &Submission) -> Result<(), Fatal> {
        if self.memory.absent.count() == 0 {
            return Ok(());
        }
        for (record, bytes) in &submission.records {
            if self.memory.absent.came(record, self.store)? {
                self.journal.keep_record(*record, bytes);
            }
        }
        Ok(())
    }

    /// Counts and fetches the records that an item did not bring.
    fn note_absent(
        &mut self,
        submission: &Submission,
        added: &Listed,
        out: &mut Output,
    ) -> Result<(), Fatal> {
        if added.absent.is_empty() {
            return Ok(());
        }
        let transaction = &submission.transaction;
        out.events.push(Event::WithoutRecords {
            transaction: transaction.id(),
            records: added.absent.len(),
        });
        for (&record, &canonical) in &added.absent {
            let (fetch, publisher) = (Fetch { canonical, record }, transaction.publisher());
            let (now_ms, fetches) = (self.now.monotonic_ms, &mut out.fetches);
            let absent = &mut self.memory.absent;
            absent.add(fetch, publisher, now_ms, self.store, fetches)?;
        }
        Ok(())
    }

    /// Writes the publisher's certificates with the transaction, if they are not in the store yet.
    fn keep_chain(&mut self, waiting: &Whole) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use kittengrad_journal::{MemoryStore, Write};
    use kittengrad_proto::{block::Holds, certificate::Chain};
    use kittengrad_support::journals::{FakeKey, overlay, submission};

    use super::*;
    use crate::io::SourceEntry;

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
            now: Now::default(),
            store,
            plants: Plants::NONE,
        };
        let der = [&b"leaf"[..], b"level 0"].map(Bytes::from_static);
        let waiting = Whole {
            entry: SourceEntry {
                transaction: submission(1, &[(1, true, vec![])]).transaction,
                records: BTreeMap::new(),
                chain: Arc::new(Chain::from_der(der.into()).unwrap()),
            },
            bitmap: Bitmap::new([true]),
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
