//! Inclusion proofs of elements in the owner's journal.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::{
    block::Item,
    id::Id,
    merkle::Tree,
    namespace::Overlay,
    receipt::ItemProof,
    transaction::{Element, Transaction},
};
use thiserror::Error;

use crate::store::{Locator, Store, StoreError};

/// Why elements cannot be proved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProveError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An element is not in the set.
    #[error("{0:?} is not in the set")]
    Absent(Element),
    /// The elements were added by too many blocks, each of which must be read.
    #[error(
        "it repeats elements of {0} blocks, at most {BLOCKS_MAX} are proved at once: send it in smaller transactions"
    )]
    Scattered(usize),
}

/// Blocks that one proof reads, at most. Only a transaction that repeats elements of many others comes near it.
const BLOCKS_MAX: usize = 64;

/// Proves, with items of the owner's committed journal, that the set has all `elements` of `transaction`.
///
/// # Errors
/// If an element is absent, the elements are in more than 64 blocks, or the store does not answer.
pub fn prove(
    store: &dyn Store,
    overlay: &Overlay,
    transaction: &Id,
    elements: impl IntoIterator<Item = Element>,
) -> Result<Vec<ItemProof>, ProveError> {
    let mut blocks: BTreeMap<(u64, u64), BTreeSet<u32>> = BTreeMap::new();
    for element in elements {
        let Locator {
            incarnation,
            height,
            index,
        } = store.locate(&element)?.ok_or(ProveError::Absent(element))?;
        blocks
            .entry((incarnation, height))
            .or_default()
            .insert(index);
    }
    if blocks.len() > BLOCKS_MAX {
        return Err(ProveError::Scattered(blocks.len()));
    }
    let mut proofs = Vec::new();
    for ((incarnation, height), indices) in blocks {
        let gone = || {
            StoreError::Damaged(format!(
                "block {height} of incarnation {incarnation} is missing"
            ))
        };
        let block = store.block(incarnation, height)?.ok_or_else(gone)?.block;
        let tree = Tree::new(block.items.iter().map(|item| &item[..]));
        for index in indices {
            let item = block.items.get(index as usize).ok_or_else(gone)?;
            proofs.push(ItemProof {
                header: block.header.clone(),
                item: item.clone(),
                index,
                path: tree.path(index as usize),
                transaction: other_transaction(store, overlay, transaction, item)?,
            });
        }
    }
    Ok(proofs)
}

/// Reads the transaction that an item names. `None` if it is `transaction`, which the receiver has.
fn other_transaction(
    store: &dyn Store,
    overlay: &Overlay,
    transaction: &Id,
    item: &bytes::Bytes,
) -> Result<Option<Transaction>, StoreError> {
    let damaged = |why: String| StoreError::Damaged(why);
    match Item::decode(item).map_err(|e| damaged(e.to_string()))? {
        Item::Transaction { id, .. } if id == *transaction => Ok(None),
        Item::Transaction { id, .. } => {
            let bytes = store.transactions(&[id])?.pop().flatten();
            let bytes = bytes.ok_or_else(|| damaged(format!("transaction {id:?} is missing")))?;
            Transaction::decode(bytes, overlay)
                .map(Some)
                .map_err(|e| damaged(e.to_string()))
        }
        _ => Err(damaged(
            "a set row names an item that is not a transaction".to_owned(),
        )),
    }
}
