//! Cutting: the items since the last cut become a signed block.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_plants::Plant;
use kittengrad_proto::{
    block::{Block, Header, HeaderFields, Item},
    id::Id,
    merkle::Tree,
    transaction::{Element, Transaction},
};

use super::{Journal, Tip};
use crate::{
    state,
    store::{Locator, StoreError, StoredBlock, Write},
};

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

impl Journal {
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
        if std::mem::take(&mut self.has_hold) {
            self.hold_height = self.tip.map_or(0, |tip| tip.head.height + 1);
            writes.push(state::keep_holds(self.incarnation, &self.holds));
        }
        let items = std::mem::take(&mut self.items);
        let tree = Tree::new(items.iter().map(|item| &item[..]));
        let mut fields = self.fields(wall_ms, tree.root(), items.len());
        let through = self.attesting.take_due(wall_ms);
        let through = through.map(|statement| {
            fields.checkpoint = Some(statement.checkpoint.clone());
            statement.through.clone()
        });
        if let Some(checkpoint) = &mut fields.checkpoint
            && fields.height % 4 == 3
            && self.plants.has(Plant::CheckpointGoesBack)
        {
            checkpoint.height /= 2;
        }
        let header = Header::sign(&self.overlay, &fields, &*self.signer);
        let block = Block {
            header,
            items,
            through: through.unwrap_or_default(),
        };
        if fields.height % 8 != 7 || !self.plants.has(Plant::BlockTreeSkips) {
            self.blocks.append(block.header.hash(), writes);
        }

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
                checkpoint: None,
                hold: self.hold_height,
            },
            None => HeaderFields {
                incarnation,
                height: 0,
                previous: Id::ZERO,
                time_ms: wall_ms,
                items_root,
                item_count,
                fork: self.fork,
                checkpoint: None,
                hold: self.hold_height,
            },
        }
    }
}

/// The number of elements that a block adds.
///
/// # Errors
/// If an item of the block is malformed.
pub fn added_elements(block: &Block) -> Result<u64, StoreError> {
    let items = block
        .decode_items()
        .map_err(|e| StoreError::Damaged(e.to_string()))?;
    let counts = items.iter().map(|item| match item {
        Item::Transaction { bitmap, .. } => bitmap.count() as u64,
        _ => 0,
    });
    Ok(counts.sum())
}
