//! Reading the owner's journal back: blocks in order, and the elements that each added.

use kittengrad_proto::{
    block::{Block, Item},
    id::Id,
    namespace::Overlay,
    transaction::{Element, Transaction},
};

use crate::store::{Store, StoreError, StoredBlock};

/// Consecutive blocks, and whether they are the last ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocks {
    /// The blocks, ascending.
    pub blocks: Vec<StoredBlock>,
    /// Whether no block follows them in the incarnation.
    pub is_end: bool,
}

/// Reads blocks of one incarnation from `from_height` on. Stops at `limit` blocks, or once they have `bytes_max` bytes.
///
/// # Errors
/// If the store does not answer.
pub fn blocks(
    store: &dyn Store,
    incarnation: u64,
    from_height: u64,
    limit: usize,
    bytes_max: usize,
) -> Result<Blocks, StoreError> {
    let mut found = Blocks::default();
    let mut bytes = 0;
    for height in from_height.. {
        if found.blocks.len() >= limit || bytes >= bytes_max {
            break;
        }
        let Some(stored) = store.block(incarnation, height)? else {
            found.is_end = true;
            break;
        };
        bytes += stored
            .block
            .items
            .iter()
            .map(|item| item.len() + 8)
            .sum::<usize>()
            + 512;
        found.blocks.push(stored);
    }
    Ok(found)
}

/// A transaction of the owner's set. `None` if it is not in the store.
///
/// # Errors
/// If the store does not answer, or its transaction is damaged.
pub fn transaction(
    store: &dyn Store,
    overlay: &Overlay,
    id: &Id,
) -> Result<Option<Transaction>, StoreError> {
    let found = store.transactions(&[*id])?.into_iter().next().flatten();
    let decoded = found.map(|bytes| Transaction::decode(bytes, overlay));
    decoded
        .transpose()
        .map_err(|e| StoreError::Damaged(e.to_string()))
}

/// A transaction item of a block with its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the item in its block.
    pub index: usize,
    /// The transaction.
    pub transaction: Transaction,
    /// The elements that the item adds, in the transaction's order.
    pub added: Vec<Element>,
}

/// The transactions of a block of the owner's own journal.
///
/// # Errors
/// If the store does not answer, or its transactions do not fit the block.
pub fn entries(
    store: &dyn Store,
    overlay: &Overlay,
    block: &Block,
) -> Result<Vec<Entry>, StoreError> {
    let damaged = |why: String| StoreError::Damaged(why);
    let items = block.decode_items().map_err(|e| damaged(e.to_string()))?;
    let listed: Vec<_> = items
        .into_iter()
        .enumerate()
        .filter_map(|(index, item)| match item {
            Item::Transaction { id, bitmap, .. } => Some((index, id, bitmap)),
            _ => None,
        })
        .collect();
    let ids: Vec<Id> = listed.iter().map(|(_, id, _)| *id).collect();
    let bodies = store.transactions(&ids)?;
    let mut entries = Vec::with_capacity(listed.len());
    for ((index, id, bitmap), bytes) in listed.into_iter().zip(bodies) {
        let bytes = bytes.ok_or_else(|| damaged(format!("transaction {id} is missing")))?;
        let transaction =
            Transaction::decode(bytes, overlay).map_err(|e| damaged(e.to_string()))?;
        let added: Vec<_> = transaction
            .elements()
            .enumerate()
            .filter(|(i, _)| bitmap.is_set(*i))
            .collect();
        let added = added.into_iter().map(|(_, element)| element).collect();
        entries.push(Entry {
            index,
            transaction,
            added,
        });
    }
    Ok(entries)
}
