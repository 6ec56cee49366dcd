//! Writing a journal: transactions become items, items become blocks, blocks become writes.
//!
//! | file | contents |
//! | --- | --- |
//! | `add` | adds the new elements of a transaction, with the cells that they touch |
//! | `attest` | states what the set contains, for the next header and for heartbeats |
//! | `cut` | signs the items since the last cut as one block |

mod add;
mod attest;
mod cut;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Head, Holds, Item},
    id::{Id, RecordId},
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, CHAIN_BYTES_MAX, ITEM_BYTES_MAX},
    namespace::Overlay,
    signed::Signer,
    transaction::{Element, Transaction},
};

use self::attest::Attesting;
pub use self::{
    add::{Added, JournalError, Listed},
    attest::Observed,
    cut::{Cut, added_elements},
};
use crate::{
    block_tree::{self, BlockTree},
    state,
    store::{Store, StoreError, Write},
};

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

/// The number of an incarnation that begins at a Unix time in milliseconds, after incarnations up to `highest`.
///
/// An incarnation after `highest` may have been published and then lost with its disk. Incarnations that begin at
/// different times have different numbers, also if the clock was set back.
#[must_use]
pub fn next_incarnation(highest: Option<u64>, wall_ms: u64) -> u64 {
    match highest {
        Some(highest) if wall_ms <= highest => highest.saturating_add(wall_ms.max(1)),
        _ => wall_ms,
    }
}

/// The block after which a new incarnation continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The last block of an earlier incarnation that is on disk.
    pub head: Head,
    /// The tree over the blocks up to it.
    pub blocks: BlockTree,
}

impl Fork {
    /// Forks from `head`, which is on disk.
    ///
    /// # Errors
    /// If the store does not answer or is damaged.
    pub fn from(head: Head, store: &dyn Store) -> Result<Self, StoreError> {
        let blocks = BlockTree::up_to(head, store)?;
        Ok(Self { head, blocks })
    }
}

/// The writer of one incarnation of a journal.
pub struct Journal {
    overlay: Overlay,
    signer: Arc<dyn Signer>,
    incarnation: u64,
    fork: Option<Head>,
    tip: Option<Tip>,
    /// The tree over all blocks up to `tip`.
    blocks: BlockTree,
    attesting: Attesting,
    /// The arcs of the last `hold`. No element outside of them is added.
    holds: Holds,
    /// Height of the block with this `hold`.
    hold_height: u64,
    /// Whether the block under construction begins with this `hold`.
    has_hold: bool,
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
    /// Opens a new incarnation of an owner that holds these arcs. Its first block is cut by the next [`Journal::cut`],
    /// with a `hold` and `items` in it.
    #[must_use]
    pub fn open(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        incarnation: u64,
        fork: Option<Fork>,
        holds: Holds,
        items: &[Item],
    ) -> Self {
        let none = Holds::default();
        let (fork, blocks) = match fork {
            Some(fork) => (Some(fork.head), fork.blocks),
            None => (None, BlockTree::default()),
        };
        let begun = blocks.count();
        let mut journal = Self::new(overlay, signer, incarnation, (None, blocks), none);
        journal.fork = fork;
        journal.keep(block_tree::keep_base(incarnation, begun));
        journal.say_hold(holds);
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
        let incarnation = head.incarnation;
        let holds = state::holds(store, incarnation)?;
        let blocks = BlockTree::up_to(head, store)?;
        let mut journal = Self::new(overlay, signer, incarnation, (Some(tip), blocks), holds);
        journal.hold_height = last.block.header.hold;
        Ok(Some(journal))
    }

    fn new(
        overlay: Overlay,
        signer: Arc<dyn Signer>,
        incarnation: u64,
        (tip, blocks): (Option<Tip>, BlockTree),
        holds: Holds,
    ) -> Self {
        Self {
            overlay,
            signer,
            incarnation,
            fork: None,
            tip,
            blocks,
            attesting: Attesting::default(),
            holds,
            hold_height: 0,
            has_hold: false,
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

    /// The network and the namespace.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The number of this incarnation.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The arcs of the last `hold`, in the block under construction or before.
    #[must_use]
    pub const fn holds(&self) -> &Holds {
        &self.holds
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
                    < BLOCK_BYTES_MAX - self.attesting.bytes_max()
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

    /// Says which arcs the owner holds from here on; says nothing if these are the arcs of the last `hold`.
    ///
    /// A `hold` is the first item of its block. So a block under construction is cut as by [`Journal::cut`], and
    /// returned.
    pub fn hold(&mut self, holds: &Holds, wall_ms: u64, writes: &mut Vec<Write>) -> Option<Cut> {
        if *holds == self.holds {
            return None;
        }
        let cut = self.cut(wall_ms, writes);
        self.say_hold(holds.clone());
        cut
    }

    /// Begins the block under construction with a `hold`.
    fn say_hold(&mut self, holds: Holds) {
        self.note(&Item::Hold(holds.clone()));
        self.holds = holds;
        self.has_hold = true;
    }

    /// Appends an item that is neither a transaction nor a `hold`.
    pub fn note(&mut self, item: &Item) {
        let bytes = item.encode();
        self.bytes += bytes.len();
        self.items.push(bytes);
    }

    /// Adds a write, such as a small value, to the writes of the next cut.
    pub fn keep(&mut self, write: Write) {
        self.writes.push(write);
    }
}

#[cfg(test)]
mod tests {
    use super::next_incarnation;

    #[test]
    fn incarnations_ascend_and_starts_at_other_times_differ() {
        assert_eq!(next_incarnation(None, 5_000), 5_000);
        assert_eq!(next_incarnation(Some(4_999), 5_000), 5_000);
        // The clock stands still, was set back, or shows nothing: the time still tells starts apart.
        for (wall_ms, next) in [(5_000, 10_000), (4_000, 9_000), (4_001, 9_001), (0, 5_001)] {
            assert_eq!(next_incarnation(Some(5_000), wall_ms), next);
        }
    }
}
