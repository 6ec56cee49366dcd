//! The journal explains the set (S4): the set is the fold of the items, each element is in it once, and the records and
//! transactions of all elements are on the disk.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{
    self as journal, Accepted, ElementStore as _, Follower, MemoryStore, RecordStore as _, Step,
    Store, StoredBlock, TransactionStore as _, Write,
};
use kittengrad_proto::{
    block::{Block, Holds, Item},
    id::{Id, PublicKey},
    limits::GET_BLOCKS_MAX,
    namespace::Overlay,
    signed::Verifier,
    transaction::{Element, Transaction},
};

use super::{Verdict, check};

const NAME: &str = "explained";
const SOURCE: &str = "S4";

/// Checks that a commit contains the records of its new elements and the transactions that its blocks list, unless the
/// disk has them already.
pub(super) fn brings(disk: &MemoryStore, writes: &[Write]) -> Verdict {
    let mut brought = BTreeSet::new();
    for write in writes {
        match write {
            Write::Record(id, _) => drop(brought.insert(*id.as_bytes())),
            Write::Transaction(id, _) => drop(brought.insert(*id.as_bytes())),
            _ => {}
        }
    }
    for write in writes {
        if let Write::Element(element, _) = write {
            let id = element.update.unwrap_or(element.canonical);
            let is_here =
                brought.contains(id.as_bytes()) || disk.records(&[id]).unwrap()[0].is_some();
            check(is_here, NAME, SOURCE, || {
                format!("{element:?} is about to be committed without its record")
            })?;
        }
        if let Write::Block(stored) = write {
            for item in stored.block.decode_items().unwrap() {
                let Item::Transaction { id, .. } = item else {
                    continue;
                };
                let is_here = brought.contains(id.as_bytes())
                    || disk.transactions(&[id]).unwrap()[0].is_some();
                check(is_here, NAME, SOURCE, || {
                    format!("a block lists {id:?}, which is neither on the disk nor in the commit")
                })?;
            }
        }
    }
    Ok(())
}

/// Checks that the blocks of a commit add exactly its element rows.
pub(super) fn commits(disk: &MemoryStore, writes: &[Write]) -> Verdict {
    let mut rows: BTreeMap<(u64, u32), usize> = BTreeMap::new();
    let mut fresh = BTreeSet::new();
    for write in writes {
        if let Write::Element(element, locator) = write {
            let is_new = fresh.insert(*element) && disk.locate(element) == Ok(None);
            check(is_new, "exactly-once", "S4, S5", || {
                format!("{element:?} is added twice")
            })?;
            *rows.entry((locator.height, locator.index)).or_default() += 1;
        }
    }
    for write in writes {
        if let Write::Block(stored) = write {
            check_rows(stored, &mut rows)?;
        }
    }
    check(rows.is_empty(), NAME, SOURCE, || {
        format!("elements without a block that adds them: {rows:?}")
    })
}

/// Removes from `rows` the rows of the block's items. Each item must have exactly the rows that it adds.
fn check_rows(stored: &StoredBlock, rows: &mut BTreeMap<(u64, u32), usize>) -> Verdict {
    let height = stored.block.header.height;
    for (number, count) in added_by_item(stored) {
        let written = rows.remove(&(height, number)).unwrap_or_default();
        check(written == count, NAME, SOURCE, || {
            format!("item {number} of block {height} adds {count}, {written} were written")
        })?;
    }
    Ok(())
}

/// The number of elements that each item of a block adds.
pub(super) fn added_by_item(stored: &StoredBlock) -> impl Iterator<Item = (u32, usize)> {
    let items = stored.block.decode_items().unwrap().into_iter();
    (0..).zip(items).map(|(number, item)| match item {
        Item::Transaction { bitmap, .. } => (number, bitmap.count()),
        _ => (number, 0),
    })
}

/// The blocks of a disk's journal, of all incarnations.
pub(crate) fn blocks(disk: &dyn Store) -> Vec<Block> {
    let mut blocks = Vec::new();
    for end in disk.incarnations().unwrap() {
        let limit = GET_BLOCKS_MAX as usize;
        let mut from_height = 0;
        while from_height <= end.height {
            let found =
                journal::blocks(disk, end.incarnation, from_height, limit, usize::MAX).unwrap();
            assert!(
                !found.blocks.is_empty(),
                "no block {from_height} of {}",
                end.incarnation
            );
            from_height += found.blocks.len() as u64;
            blocks.extend(found.blocks.into_iter().map(|stored| stored.block));
        }
    }
    blocks
}

/// The elements that an item adds. Its transaction must be on the disk.
pub(super) fn added(disk: &dyn Store, overlay: &Overlay, item: &Item) -> Vec<Element> {
    let Item::Transaction { id, bitmap, .. } = item else {
        return Vec::new();
    };
    let transaction = transaction(disk, overlay, id);
    let elements = transaction.elements().enumerate();
    elements
        .filter(|(number, _)| bitmap.is_set(*number))
        .map(|(_, element)| element)
        .collect()
}

/// The transaction that an item lists.
fn transaction(disk: &dyn Store, overlay: &Overlay, id: &Id) -> Transaction {
    let bytes = disk.transactions(&[*id]).unwrap().pop().flatten();
    let bytes = bytes.expect("a listed transaction is on the disk");
    Transaction::decode(bytes, overlay).unwrap()
}

/// Checks that the cells of an item are those of its elements, all inside the arcs of the last `hold`.
fn check_cells(disk: &dyn Store, overlay: &Overlay, holds: &Holds, item: &Item) -> Verdict {
    let Item::Transaction { id, bitmap, cells } = item else {
        return Ok(());
    };
    let checked = holds.check(&transaction(disk, overlay, id), bitmap, cells);
    check(checked.is_ok(), NAME, SOURCE, || {
        format!("an item of {id:?} signs wrong cells: {checked:?}")
    })
}

/// Checks that a disk explains itself: its journal verifies, its items sign the cells that they touch, and its set is
/// the fold of the journal.
pub(crate) fn check_disk(
    disk: &dyn Store,
    set: &BTreeSet<Element>,
    owner: PublicKey,
    overlay: &Overlay,
    verifier: &dyn Verifier,
    holds: impl Fn(&Element) -> bool,
    has_all_records: bool,
) -> Verdict {
    let mut follower = Follower::new(owner, 0);
    let mut fold = BTreeSet::new();
    for block in blocks(disk) {
        let accepted = follower.accept(&block, verifier);
        let step = accepted.as_ref().map(|accepted| accepted.step);
        check(
            matches!(step, Ok(Step::Next | Step::Began)),
            "linked",
            SOURCE,
            || {
                let height = block.header.height;
                format!("block {height} of {owner:?} does not continue the journal: {step:?}")
            },
        )?;
        let Ok(Accepted {
            items, holds: said, ..
        }) = accepted
        else {
            continue;
        };
        let said = said.expect("a journal that is read from its beginning says what is held");
        for item in items {
            check_cells(disk, overlay, &said, &item)?;
            for element in added(disk, overlay, &item) {
                check(fold.insert(element), "exactly-once", "S4, S5", || {
                    format!("{element:?} is journalled twice")
                })?;
                check(holds(&element), NAME, SOURCE, || {
                    format!("{owner:?} has {element:?}, which it does not hold")
                })?;
                let record = element.update.unwrap_or(element.canonical);
                let is_here = !has_all_records || disk.records(&[record]).unwrap()[0].is_some();
                check(is_here, NAME, SOURCE, || {
                    format!("{owner:?} has {element:?} without its record")
                })?;
            }
        }
    }
    check(fold == *set, NAME, SOURCE, || {
        format!("the set of {owner:?} is not the fold of its journal")
    })
}
