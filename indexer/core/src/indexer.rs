//! The indexer: a state machine from verified blocks to commits.
//!
//! The driver hands in everything that is queued, then [`Input::Cut`]. It writes the commit to the disk before the next
//! input, which reads it from the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    transaction::Element,
};

use crate::{
    cursors::Last,
    limits::{FETCH_RECORDS_MAX, FETCH_RECORDS_OF_ONE_MAX, WAITING_MAX},
    pending::{Commit, News, Pending},
    publisher::{PublisherName, Publishers},
    state::State,
    store::{Store, StoreError, Stored},
    waiting::Waiting,
};

/// One verified block of the followed journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Journal, head and time of the block. The cursor of the journal once the block is processed.
    pub last: Last,
    /// The transactions of its items.
    pub transactions: Vec<Transaction>,
}

/// The elements of one transaction that a block adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Key of the publisher.
    pub publisher: PublicKey,
    /// The publisher's name in its certificate, if the chain is known.
    pub publisher_name: Option<String>,
    /// Time in the transaction, in Unix milliseconds.
    pub created_ms: u64,
    /// The elements that the block adds.
    pub added: Vec<Element>,
    /// Records of elements and canonicals, each under its own hash. Some may be absent.
    pub records: BTreeMap<RecordId, Bytes>,
}

/// Absent records of one canonical, to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The canonical.
    pub canonical: RecordId,
    /// CIDs of the canonical's own record or of elements of its set.
    pub records: Vec<RecordId>,
}

/// The answer to a lookup of one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The canonical.
    pub canonical: RecordId,
    /// Its records, each under its own hash. Records that the set does not name are ignored.
    pub records: BTreeMap<RecordId, Bytes>,
}

/// An input of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The next block of the followed journal.
    Block(Block),
    /// A journal is not the one read so far, and is read again from its first block. Known elements add nothing twice.
    Again(PublicKey),
    /// The answer to a lookup of absent records.
    Fetched(Fetched),
    /// Makes a commit of everything pending: the queue is empty, or enough is pending.
    Cut,
    /// Asks for the absent records to look up. The driver sends it only while no lookup is under way.
    Tick,
}

/// The work of the driver after an input: first the commit, then the lookups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// The commit to write to the disk as a whole.
    pub commit: Option<Commit>,
    /// Absent records to look up. Each answer comes back as [`Input::Fetched`].
    pub fetch: Vec<Wanted>,
}

/// The state machine.
#[derive(Debug)]
pub struct Indexer {
    state: State,
    publishers: Publishers,
    pending: Pending,
    waiting: Waiting,
    plants: Plants,
}

impl Indexer {
    /// Resumes from the committed state and names.
    #[must_use]
    pub fn resume(state: State, publishers: Publishers) -> Self {
        Self::planted(state, publishers, Plants::NONE)
    }

    /// Resumes like [`Indexer::resume`], with planted bugs.
    #[must_use]
    pub fn planted(state: State, publishers: Publishers, plants: Plants) -> Self {
        let mut waiting = Waiting::default();
        waiting.forget();
        Self {
            state,
            publishers,
            pending: Pending::default(),
            waiting,
            plants,
        }
    }

    /// Handles one input. `now_ms` is in monotonic milliseconds.
    ///
    /// # Errors
    /// If the store fails. Everything pending is lost then: make another indexer with [`Indexer::resume`].
    pub fn handle(
        &mut self,
        now_ms: u64,
        input: Input,
        store: &dyn Store,
        out: &mut Output,
    ) -> Result<(), StoreError> {
        match input {
            Input::Block(block) => self.take_block(&block, store),
            Input::Again(journal) => {
                self.pending.has_moved |= self.state.cursors.forget(&journal);
                Ok(())
            }
            Input::Fetched(fetched) => self.take_fetched(&fetched, store),
            Input::Cut => {
                out.commit = self.cut(now_ms);
                Ok(())
            }
            Input::Tick => {
                if self.waiting.should_refill() {
                    self.waiting.refill(now_ms, &store.incomplete(WAITING_MAX)?);
                }
                out.fetch = wanted(now_ms, &self.waiting.due(now_ms), store)?;
                Ok(())
            }
        }
    }

    /// The state of the last commit. Its cursors are ahead of that commit by the pending blocks.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The names of all publishers of the blocks so far.
    #[must_use]
    pub const fn publishers(&self) -> &Publishers {
        &self.publishers
    }

    /// Canonicals with absent records in memory, at most [`WAITING_MAX`].
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Whether [`Input::Cut`] would make a commit.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes of records and elements that came since the last commit.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.pending.added_bytes
    }

    /// Estimated memory of everything pending, in bytes.
    #[must_use]
    pub const fn pending_weight_bytes(&self) -> usize {
        self.pending.weight_bytes()
    }

    fn take_block(&mut self, block: &Block, store: &dyn Store) -> Result<(), StoreError> {
        for transaction in &block.transactions {
            self.learn(transaction);
            for element in &transaction.added {
                if self.take_element(*element, transaction, store)? {
                    self.pending.news.push(News {
                        canonical: element.canonical,
                        update: element.update,
                        publisher: transaction.publisher,
                        cursor: block.last.cursor(),
                        time_ms: block.last.time_ms,
                    });
                }
            }
        }
        self.pending.has_moved |= self.state.cursors.advance(&block.last);
        Ok(())
    }

    fn learn(&mut self, transaction: &Transaction) {
        let Some(name) = &transaction.publisher_name else {
            return;
        };
        let heard = PublisherName {
            created_ms: transaction.created_ms,
            name: name.clone(),
        };
        if self.publishers.learn(transaction.publisher, heard) {
            self.pending.publishers.insert(transaction.publisher);
        }
    }

    /// Adds an element with its records; false if it was known.
    fn take_element(
        &mut self,
        element: Element,
        transaction: &Transaction,
        store: &dyn Store,
    ) -> Result<bool, StoreError> {
        let touched = self.pending.touch(element.canonical, store)?;
        let mut bytes = 0;
        let is_new = match element.update {
            Some(_) if !touched.is_known() && self.plants.has(Plant::IndexUnknownDropped) => false,
            Some(update) => touched.set.add(update),
            None => !touched.is_known(),
        };
        touched.is_changed |= is_new;
        if let Some(record) = transaction.records.get(&element.canonical)
            && touched.set.supply_record(record)
        {
            touched.is_changed = true;
            bytes += record.len();
        }
        if let Some(update) = element.update
            && let Some(record) = transaction.records.get(&update)
            && touched.set.supply(update, record)
        {
            touched.is_changed = true;
            bytes += record.len();
        }
        self.pending.added_bytes += bytes + usize::from(is_new) * ELEMENT_BYTES;
        Ok(is_new)
    }

    fn take_fetched(&mut self, fetched: &Fetched, store: &dyn Store) -> Result<(), StoreError> {
        let touched = self.pending.touch(fetched.canonical, store)?;
        if !touched.is_known() {
            return Ok(());
        }
        let mut bytes = 0;
        for (id, record) in &fetched.records {
            let is_new = match *id == fetched.canonical {
                true => touched.set.supply_record(record),
                false => touched.set.supply(*id, record),
            };
            touched.is_changed |= is_new;
            bytes += usize::from(is_new) * record.len();
        }
        self.pending.added_bytes += bytes;
        Ok(())
    }

    fn cut(&mut self, now_ms: u64) -> Option<Commit> {
        if self.pending.is_empty() {
            self.pending = Pending::default();
            return None;
        }
        if self.plants.has(Plant::IndexCursorFirst) && std::mem::take(&mut self.pending.has_moved) {
            return Some(Commit {
                changed: Vec::new(),
                publishers: Vec::new(),
                state: self.state.clone(),
                news: Vec::new(),
            });
        }
        let mut pending = std::mem::take(&mut self.pending);
        let news = std::mem::take(&mut pending.news);
        let publishers = self
            .publishers
            .iter()
            .filter(|(key, _)| pending.publishers.contains(key));
        let publishers = publishers.map(|(key, name)| (*key, name.clone())).collect();
        let changed = pending.fold(&mut self.state, self.plants);
        for changed in &changed {
            let canonical = changed.document.canonical;
            if changed.set.absent_count() > 0 {
                self.waiting.add(now_ms, canonical);
            } else {
                self.waiting.remove(&canonical);
            }
        }
        Some(Commit {
            changed,
            publishers,
            state: self.state.clone(),
            news,
        })
    }
}

/// Lists the absent records of `canonicals` from the store, at most [`FETCH_RECORDS_MAX`]. A canonical beyond the limit
/// has its next turn later.
///
/// A canonical with more than [`FETCH_RECORDS_OF_ONE_MAX`] absent records gives a part of them, at a place that moves
/// with the time: records that nobody has do not hold up the rest.
fn wanted(
    now_ms: u64,
    canonicals: &[RecordId],
    store: &dyn Store,
) -> Result<Vec<Wanted>, StoreError> {
    let (mut wanted, mut left) = (Vec::new(), FETCH_RECORDS_MAX);
    for canonical in canonicals {
        let Some(Stored { set, .. }) = store.load(canonical)? else {
            continue;
        };
        let absent: Vec<_> = set.absent(*canonical).collect();
        let first = match absent.len() {
            0..=FETCH_RECORDS_OF_ONE_MAX => 0,
            many => usize::try_from(now_ms).unwrap_or_default() % many,
        };
        let turned = absent[first..].iter().chain(&absent[..first]).copied();
        let records: Vec<_> = turned.take(left.min(FETCH_RECORDS_OF_ONE_MAX)).collect();
        left -= records.len();
        if !records.is_empty() {
            let canonical = *canonical;
            wanted.push(Wanted { canonical, records });
        }
    }
    Ok(wanted)
}

/// Estimated memory of an element besides its record, in bytes.
const ELEMENT_BYTES: usize = 128;
