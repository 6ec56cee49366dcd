//! Items that wait to be emitted: with their bodies, or without.

use std::{collections::VecDeque, sync::Arc};

use kittengrad_journal::{Journal, Store, StoreError, transaction};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    block::{Bitmap, Cells, CellsError, Holds, Item},
    id::Id,
    transaction::Transaction,
};
use thiserror::Error;

use crate::io::SourceEntry;

/// Time for which an item without a body waits for its elements, in milliseconds. Then its source is read with bodies.
const ITEMS_WAIT_MS: u64 = 2_000;

/// The rule that the items of a block break. Nothing of the block was emitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ItemsError {
    #[error("block {height} lists {items} transactions; {bodies} bodies arrived")]
    Count {
        height: u64,
        items: usize,
        bodies: usize,
    },
    #[error("block {height} lists transaction {named:?}; {came:?} arrived")]
    Other { height: u64, named: Id, came: Id },
    #[error("block {height}, transaction {id:?}: {error}")]
    Cells {
        height: u64,
        id: Id,
        error: CellsError,
    },
}

/// Items that were refused.
pub(crate) struct Refused {
    pub(crate) error: ItemsError,
    /// The transaction that refutes its item.
    pub(crate) by: Option<Arc<Transaction>>,
}

impl From<ItemsError> for Refused {
    fn from(error: ItemsError) -> Self {
        let by = None;
        Self { error, by }
    }
}

/// A transaction item that waits to be emitted.
pub(crate) enum Waiting {
    /// It came with its body.
    Whole(Whole),
    /// It came without. Other sources bring its elements.
    Bare(Bare),
}

/// An item with its body.
pub(crate) struct Whole {
    pub(crate) entry: SourceEntry,
    /// The elements that the source adds.
    pub(crate) bitmap: Bitmap,
}

/// An item without its body.
pub(crate) struct Bare {
    height: u64,
    id: Id,
    /// The elements that the source adds, and their cells among the arcs that it holds.
    bitmap: Bitmap,
    cells: Cells,
    holds: Holds,
    /// Monotonic time in milliseconds of the first look.
    since_ms: Option<u64>,
    /// It was looked at in this round. Another look finds nothing new before the next commit.
    is_looked_at: bool,
}

/// Result of an attempt to emit an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It was emitted, or adds nothing.
    Done,
    /// The block under construction is full. Nothing was emitted.
    Full,
    /// It came without a body, and elements that it lists are missing.
    Waits,
    /// The same for [`ITEMS_WAIT_MS`]: its source must be read with bodies.
    Overdue,
    /// It came without a body, and does not fit its transaction.
    Lie(ItemsError),
}

impl Bare {
    /// Looks whether the own set contains all elements that the item lists: in the store, or in the block under
    /// construction, which is written in one batch with the positions.
    ///
    /// The store is read at most once in each round.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) fn look(
        &mut self,
        journal: &Journal,
        store: &dyn Store,
        now_ms: u64,
        plants: Plants,
    ) -> Result<Step, StoreError> {
        if plants.has(Plant::ItemsPassUnread) {
            return Ok(Step::Done);
        }
        if std::mem::replace(&mut self.is_looked_at, true) {
            return Ok(Step::Waits);
        }
        if let Some(transaction) = transaction(store, journal.overlay(), &self.id)? {
            if let Err(error) = self.holds.check(&transaction, &self.bitmap, &self.cells) {
                let (height, id) = (self.height, self.id);
                return Ok(Step::Lie(ItemsError::Cells { height, id, error }));
            }
            if self.is_contained(&transaction, journal, store)? {
                return Ok(Step::Done);
            }
        }
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        match now_ms.saturating_sub(since_ms) < ITEMS_WAIT_MS {
            true => Ok(Step::Waits),
            false => Ok(Step::Overdue),
        }
    }

    fn is_contained(
        &self,
        transaction: &Transaction,
        journal: &Journal,
        store: &dyn Store,
    ) -> Result<bool, StoreError> {
        let elements = transaction.elements().enumerate();
        let listed = elements.filter(|(number, _)| self.bitmap.is_set(*number));
        let listed: Vec<_> = listed.map(|(_, element)| element).collect();
        let contained = journal.contains(&listed, store)?;
        Ok(contained.into_iter().all(|is_contained| is_contained))
    }

    /// Notes the end of a round: the next look may find more. Returns whether this round had a look.
    pub(crate) const fn end_round(&mut self) -> bool {
        std::mem::replace(&mut self.is_looked_at, false)
    }
}

/// Makes the waiting items of a block. Bodies are checked now. Without them, each item is checked once its transaction is
/// here.
pub(crate) fn waiting_items(
    height: u64,
    items: &[Item],
    holds: &Holds,
    entries: Option<Vec<SourceEntry>>,
    plants: Plants,
) -> Result<VecDeque<Waiting>, Refused> {
    let listed = items.iter().filter_map(|item| match item {
        Item::Transaction { id, bitmap, cells } => Some((*id, bitmap, cells)),
        _ => None,
    });
    if let Some(entries) = entries {
        return pair(height, &listed.collect::<Vec<_>>(), holds, entries, plants);
    }
    let bare = listed.map(|(id, bitmap, cells)| Bare {
        height,
        id,
        bitmap: bitmap.clone(),
        cells: cells.clone(),
        holds: holds.clone(),
        since_ms: None,
        is_looked_at: false,
    });
    Ok(bare.map(Waiting::Bare).collect())
}

/// Pairs each transaction item with its body, in order, and checks it against the body and the arcs that its owner
/// holds.
fn pair(
    height: u64,
    listed: &[(Id, &Bitmap, &Cells)],
    holds: &Holds,
    entries: Vec<SourceEntry>,
    plants: Plants,
) -> Result<VecDeque<Waiting>, Refused> {
    if listed.len() != entries.len() {
        let (items, bodies) = (listed.len(), entries.len());
        let error = ItemsError::Count {
            height,
            items,
            bodies,
        };
        return Err(error.into());
    }
    let mut waiting = VecDeque::with_capacity(entries.len());
    for (&(named, bitmap, cells), entry) in listed.iter().zip(entries) {
        let came = entry.transaction.id();
        if named != came {
            let error = ItemsError::Other {
                height,
                named,
                came,
            };
            return Err(error.into());
        }
        let checked = match holds.check(&entry.transaction, bitmap, cells) {
            Err(CellsError::Unheld(_)) if plants.has(Plant::RangeUnchecked) => Ok(()),
            checked => checked,
        };
        let id = named;
        checked.map_err(|error| Refused {
            error: ItemsError::Cells { height, id, error },
            by: Some(Arc::clone(&entry.transaction)),
        })?;
        waiting.push_back(Waiting::Whole(Whole {
            entry,
            bitmap: bitmap.clone(),
        }));
    }
    Ok(waiting)
}
