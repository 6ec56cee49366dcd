//! The indexer: one verb, from verified blocks to commits.
//!
//! Its driver feeds everything that is queued, then says [`Input::Cut`], and puts the commit on the disk
//! before anything else: the next input finds it in the store.

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

/// One block of the journal that is followed, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The block itself: once it is processed, this is where the journal stands.
    pub last: Last,
    /// What it adds.
    pub transactions: Vec<Transaction>,
}

/// What a block adds of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who speaks.
    pub publisher: PublicKey,
    /// What the publisher's certificate calls it, if the chain is known.
    pub publisher_name: Option<String>,
    /// When the publisher made it, in Unix milliseconds.
    pub created_ms: u64,
    /// The elements that the block adds.
    pub added: Vec<Element>,
    /// Records of elements and canonicals, each under its own hash, as far as they came along.
    pub records: BTreeMap<RecordId, Bytes>,
}

/// Absent records of one canonical, to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The canonical.
    pub canonical: RecordId,
    /// Which: of the canonical itself or of elements of its set.
    pub records: Vec<RecordId>,
}

/// The answer to a lookup of one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The canonical.
    pub canonical: RecordId,
    /// Its records, each under its own hash; what the set does not name is not taken.
    pub records: BTreeMap<RecordId, Bytes>,
}

/// What happens to an indexer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The journal goes on.
    Block(Block),
    /// A journal is not the one that was read, and is read again from its first block: what is known of it
    /// adds nothing twice.
    Again(PublicKey),
    /// Records that were absent came.
    Fetched(Fetched),
    /// Nothing more is queued, or enough is pending: commit it.
    Cut,
    /// Time has passed, and no lookup is under way: say what to look up.
    Tick,
}

/// What the driver must do: first the commit, then the lookup.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// To be put on the disk as one.
    pub commit: Option<Commit>,
    /// Absent records to look up; what is found comes back as [`Input::Fetched`].
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
    /// Goes on from what was committed.
    #[must_use]
    pub fn resume(state: State, publishers: Publishers) -> Self {
        Self::planted(state, publishers, Plants::NONE)
    }

    /// The same, with planted bugs.
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

    /// Takes one input. `now_ms` is monotonic.
    ///
    /// # Errors
    /// If the store fails. What was pending is void then: go on from what was committed.
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

    /// What was committed last; its cursors run ahead, by the blocks that are pending.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The names of all publishers heard so far.
    #[must_use]
    pub const fn publishers(&self) -> &Publishers {
        &self.publishers
    }

    /// Canonicals with absent records that are remembered.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Whether [`Input::Cut`] would commit anything.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes of records that came since the last commit.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.pending.added_bytes
    }

    /// About how much memory everything pending takes, in bytes.
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

/// The absent records of `canonicals`, as the store knows them. Those that find no room have their turn again.
///
/// Of a canonical that lacks many, other ones each time, so that those that never come do not hold up the rest.
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

/// What an element takes beside its record.
const ELEMENT_BYTES: usize = 128;
