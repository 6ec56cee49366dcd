//! Writing a journal: transactions become items, items become blocks, blocks become writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Bitmap, Block, Head, Header, HeaderFields, Item},
    id::{Id, RecordId},
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, CHAIN_BYTES_MAX, ITEM_BYTES_MAX},
    merkle::Tree,
    namespace::Overlay,
    signed::Signer,
    submission::Submission,
    transaction::{Element, Transaction},
};
use thiserror::Error;

use crate::store::{Locator, Store, StoreError, StoredBlock, Write};

/// Why a submission cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The store did not answer. Nothing was added.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The submission lacks a record that an entry needs. Nothing was added.
    #[error("record {0} is missing, so its entry cannot be added")]
    MissingRecord(RecordId),
}

/// The last block of a journal, with the time and offset from which the next one continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Incarnation, height and hash.
    pub head: Head,
    /// Its time, in Unix milliseconds.
    pub time_ms: u64,
    /// Number of elements of its incarnation up to and including this block.
    pub offset: u64,
}

/// The elements that a transaction added to the block under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// One bit per element of the transaction. All are unset for a repeat.
    pub bitmap: Bitmap,
    /// Canonicals that no earlier element names.
    pub created: Vec<RecordId>,
}

/// A block that was cut. Its writes must be on disk before it is shown.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The block.
    pub block: Block,
    /// Its Merkle tree, for proofs of its items.
    pub tree: Tree,
    /// The transactions that it lists, each with its item's number, ascending.
    pub listed: Vec<(u32, Arc<Transaction>)>,
    /// The elements that it adds, each with its item's number.
    pub added: BTreeMap<Element, u32>,
}

/// The writer of one incarnation of a journal.
pub struct Journal {
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    incarnation: u64,
    fork: Option<Head>,
    tip: Option<Tip>,
    items: Vec<Bytes>,
    listed: Vec<(u32, Arc<Transaction>)>,
    /// Elements of the block under construction, to find repeats within it.
    pending: BTreeMap<Element, u32>,
    /// Elements of blocks that were cut and are not committed yet.
    uncommitted: BTreeSet<Element>,
    /// Records of the block under construction. `uncommitted_records` are those of blocks not committed yet.
    pending_records: BTreeSet<RecordId>,
    uncommitted_records: BTreeSet<RecordId>,
    writes: Vec<Write>,
    /// Certificate chains that the block's transactions name. They are sent with the block.
    chains: BTreeSet<Id>,
    /// Bytes of the block with its transactions, records and chains, at most.
    bytes: usize,
    plants: Plants,
}

impl Journal {
    /// Opens a new incarnation. Its first block is cut by the next [`Journal::cut`], with `items` in it.
    #[must_use]
    pub fn open(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        incarnation: u64,
        fork: Option<Head>,
        items: &[Item],
    ) -> Self {
        let mut journal = Self::new(overlay, signer, incarnation, fork, None);
        for item in items {
            journal.note(item);
        }
        journal
    }

    /// Continues after the last block of the newest incarnation in `store`. `None` if `store` has no block.
    ///
    /// # Errors
    /// If the store does not answer.
    pub fn resume(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        store: &dyn Store,
    ) -> Result<Option<Self>, StoreError> {
        let Some(head) = store.head()? else {
            return Ok(None);
        };
        let missing = || {
            StoreError::Damaged(format!(
                "block {} of incarnation {} is missing",
                head.height, head.incarnation
            ))
        };
        let last = store
            .block(head.incarnation, head.height)?
            .ok_or_else(missing)?;
        let added = added_elements(&last.block)?;
        let tip = Tip {
            head,
            time_ms: last.block.header.time_ms,
            offset: last.offset + added,
        };
        Ok(Some(Self::new(
            overlay,
            signer,
            head.incarnation,
            None,
            Some(tip),
        )))
    }

    fn new(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        incarnation: u64,
        fork: Option<Head>,
        tip: Option<Tip>,
    ) -> Self {
        Self {
            overlay,
            signer,
            incarnation,
            fork,
            tip,
            items: Vec::new(),
            listed: Vec::new(),
            pending: BTreeMap::new(),
            uncommitted: BTreeSet::new(),
            pending_records: BTreeSet::new(),
            uncommitted_records: BTreeSet::new(),
            writes: Vec::new(),
            chains: BTreeSet::new(),
            bytes: 0,
            plants: Plants::NONE,
        }
    }

    /// Plants bugs in the writer, for the simulator.
    #[must_use]
    pub const fn planted(mut self, plants: Plants) -> Self {
        self.plants = plants;
        self
    }

    /// The last block cut. `None` before the first.
    #[must_use]
    pub const fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// The number of this incarnation.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Whether there is no item for a block.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a submission of `submission_bytes` fits into the block under construction, together with the
    /// certificates of its publisher. A block is sent with all certificates to a reader that has none of them.
    #[must_use]
    pub const fn has_room(&self, submission_bytes: usize) -> bool {
        self.items.is_empty()
            || self.items.len() < BLOCK_ITEMS_MAX
                && self.bytes + submission_bytes + CHAIN_BYTES_MAX + ITEM_BYTES_MAX
                    < BLOCK_BYTES_MAX
    }

    /// Whether any element names this canonical, in the store or in a block that is not committed yet.
    ///
    /// # Errors
    /// If the store does not answer.
    pub fn knows(&self, canonical: RecordId, store: &dyn Store) -> Result<bool, StoreError> {
        Ok(self.is_pending(canonical) || store.exists(&canonical)?)
    }

    fn is_pending(&self, canonical: RecordId) -> bool {
        let from = Element {
            canonical,
            update: None,
        };
        let pending = self
            .pending
            .range(from..)
            .next()
            .map(|(element, _)| element);
        let uncommitted = self.uncommitted.range(from..).next();
        pending
            .into_iter()
            .chain(uncommitted)
            .any(|element| element.canonical == canonical)
    }

    fn is_added(&self, element: &Element) -> bool {
        let is_pending = self.pending.contains_key(element);
        is_pending && !self.plants.has(Plant::RepeatOfPending) || self.uncommitted.contains(element)
    }

    /// Notes that everything cut so far is in the store.
    pub fn committed(&mut self) {
        self.uncommitted.clear();
        self.uncommitted_records.clear();
    }

    /// Appends an item that is not a transaction, such as `hold`.
    pub fn note(&mut self, item: &Item) {
        let bytes = item.encode();
        self.bytes += bytes.len();
        self.items.push(bytes);
    }

    /// Adds a write, such as a small value, to the writes of the next cut.
    pub fn keep(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Adds the new elements of the entries whose canonical `holds` accepts. A repeat adds nothing and is not listed.
    ///
    /// # Errors
    /// If the store does not answer or a record is missing. Nothing is added then.
    pub fn add(
        &mut self,
        submission: &Submission,
        holds: impl Fn(&RecordId) -> bool,
        store: &dyn Store,
    ) -> Result<Added, JournalError> {
        self.add_without(submission, holds, &BTreeSet::new(), store)
    }

    /// Like [`Journal::add`], but elements whose records are in `absent` are added without the bytes.
    ///
    /// # Errors
    /// If the store does not answer or another record is missing. Nothing is added then.
    pub fn add_without(
        &mut self,
        submission: &Submission,
        holds: impl Fn(&RecordId) -> bool,
        absent: &BTreeSet<RecordId>,
        store: &dyn Store,
    ) -> Result<Added, JournalError> {
        let transaction = &submission.transaction;
        let elements: Vec<_> = transaction.elements().collect();
        let held: Vec<_> = elements
            .iter()
            .map(|element| holds(&element.canonical))
            .collect();
        let known = store.contains(&elements)?;
        let is_new: Vec<_> = (0..elements.len())
            .map(|i| {
                let is_known = known[i] && !self.plants.has(Plant::RepeatOfStored);
                held[i] && !is_known && !self.is_added(&elements[i])
            })
            .collect();
        let created = self.created(&elements, &is_new, store)?;
        let records = self.records_to_keep(submission, &elements, &is_new, &holds, store)?;
        let is_missing =
            |id: &&RecordId| !submission.records.contains_key(id) && !absent.contains(id);
        if let Some(id) = records.iter().find(is_missing) {
            return Err(JournalError::MissingRecord(*id));
        }
        let bitmap = Bitmap::new(is_new.iter().copied());
        self.keep_records(submission, records);
        if bitmap.count() > 0 {
            self.list(submission, &elements, &bitmap);
        }
        Ok(Added { bitmap, created })
    }

    /// Canonicals of new elements that no earlier element names.
    fn created(
        &self,
        elements: &[Element],
        is_new: &[bool],
        store: &dyn Store,
    ) -> Result<Vec<RecordId>, StoreError> {
        let mut created: Vec<RecordId> = Vec::new();
        for (element, _) in elements.iter().zip(is_new).filter(|(_, is_new)| **is_new) {
            let canonical = element.canonical;
            if created.last() != Some(&canonical) && !self.knows(canonical, store)? {
                created.push(canonical);
            }
        }
        Ok(created)
    }

    /// Records of new elements, and canonicals of inserts that are not in the store yet.
    fn records_to_keep(
        &self,
        submission: &Submission,
        elements: &[Element],
        is_new: &[bool],
        holds: &impl Fn(&RecordId) -> bool,
        store: &dyn Store,
    ) -> Result<Vec<RecordId>, StoreError> {
        let updates = elements
            .iter()
            .zip(is_new)
            .filter(|(_, is_new)| **is_new)
            .filter_map(|(e, _)| e.update);
        let mut ids: Vec<_> = updates.collect();
        let inserts = submission
            .transaction
            .entries()
            .iter()
            .filter(|entry| entry.insert);
        let inserts: Vec<_> = inserts
            .map(|entry| entry.canonical)
            .filter(|id| holds(id))
            .collect();
        let here = store.records(&inserts)?;
        ids.extend(
            inserts
                .iter()
                .zip(here)
                .filter(|(_, here)| here.is_none())
                .map(|(id, _)| *id),
        );
        ids.retain(|id| {
            !self.pending_records.contains(id) && !self.uncommitted_records.contains(id)
        });
        Ok(ids)
    }

    fn keep_records(&mut self, submission: &Submission, ids: Vec<RecordId>) {
        for id in ids {
            if let Some(bytes) = submission.records.get(&id) {
                self.bytes += bytes.len();
                self.pending_records.insert(id);
                self.writes.push(Write::Record(id, bytes.clone()));
            }
        }
    }

    fn list(&mut self, submission: &Submission, elements: &[Element], bitmap: &Bitmap) {
        let transaction = &submission.transaction;
        let index = u32::try_from(self.items.len()).expect("a block has at most 10,000 items");
        for (i, element) in elements.iter().enumerate() {
            if bitmap.is_set(i) {
                self.pending.insert(*element, index);
            }
        }
        let bytes: Bytes = transaction.signed().encode().into();
        self.bytes += bytes.len();
        if self.chains.insert(transaction.envelope().chain) {
            self.bytes += CHAIN_BYTES_MAX;
        }
        self.writes
            .push(Write::Transaction(transaction.id(), bytes));
        self.listed.push((index, Arc::clone(transaction)));
        self.note(&Item::Transaction {
            id: transaction.id(),
            bitmap: bitmap.clone(),
        });
    }

    /// Signs the items since the last cut as one block. `None` if there are none.
    ///
    /// The block's time is `wall_ms`, or the last block's time if that is later. The writes are appended to `writes`.
    /// They must be synced before the block is shown.
    pub fn cut(&mut self, wall_ms: u64, writes: &mut Vec<Write>) -> Option<Cut> {
        if self.items.is_empty() || !self.plants.has(Plant::RecordsLate) {
            writes.append(&mut self.writes);
        }
        self.uncommitted_records.append(&mut self.pending_records);
        self.bytes = 0;
        self.chains.clear();
        if self.items.is_empty() {
            return None;
        }
        let items = std::mem::take(&mut self.items);
        let tree = Tree::new(items.iter().map(|item| &item[..]));
        let fields = self.fields(wall_ms, tree.root(), items.len());
        let header = Header::sign(&self.overlay, &fields, &*self.signer);
        let block = Block { header, items };

        let (incarnation, height) = (fields.incarnation, fields.height);
        let added = std::mem::take(&mut self.pending);
        let rows = added.iter().map(|(element, index)| {
            Write::Element(
                *element,
                Locator {
                    incarnation,
                    height,
                    index: *index,
                },
            )
        });
        writes.extend(rows);
        let offset = self.tip.map_or(0, |tip| tip.offset);
        writes.push(Write::Block(Box::new(StoredBlock {
            block: block.clone(),
            offset,
        })));

        let count = match self.plants.has(Plant::OffsetCountsItems) {
            true => self.listed.len(),
            false => added.len(),
        };
        self.uncommitted.extend(added.keys());
        self.tip = Some(Tip {
            head: block.head(),
            time_ms: fields.time_ms,
            offset: offset + count as u64,
        });
        Some(Cut {
            block,
            tree,
            listed: std::mem::take(&mut self.listed),
            added,
        })
    }

    fn fields(&self, wall_ms: u64, items_root: Id, items: usize) -> HeaderFields {
        let item_count = u32::try_from(items).expect("a block has at most 10,000 items");
        let incarnation = self.incarnation;
        match self.tip {
            Some(tip) => HeaderFields {
                incarnation,
                height: tip.head.height + 1,
                previous: tip.head.hash,
                time_ms: match self.plants.has(Plant::TimeGoesBack) {
                    true => wall_ms,
                    false => wall_ms.max(tip.time_ms),
                },
                items_root,
                item_count,
                fork: None,
            },
            None => HeaderFields {
                incarnation,
                height: 0,
                previous: Id::ZERO,
                time_ms: wall_ms,
                items_root,
                item_count,
                fork: self.fork,
            },
        }
    }
}

/// The number of elements that a block adds.
fn added_elements(block: &Block) -> Result<u64, StoreError> {
    let items = block
        .decode_items()
        .map_err(|e| StoreError::Damaged(e.to_string()))?;
    let counts = items.iter().map(|item| match item {
        Item::Transaction { bitmap, .. } => bitmap.count() as u64,
        _ => 0,
    });
    Ok(counts.sum())
}
