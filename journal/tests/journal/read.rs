//! Reading blocks back: in order, within the limits of one answer, and with a sign at the end.

use bytes::Bytes;
use kittengrad_journal::{MemoryStore, RowKey, StoreError, Write, blocks, entries};
use kittengrad_proto::block::Item;
use kittengrad_ring::KeyRanges;
use kittengrad_support::journals::{overlay, record, stored_block, submission};

use crate::owner::{Owner, everything};

/// Bytes of the only item of each block.
const ITEM_BYTES: usize = 1_000;
/// Bytes that each block counts: its item with 8 bytes of frame, and 512 for a header, which has fewer.
const BLOCK_BYTES: usize = ITEM_BYTES + 8 + 512;
const BLOCKS: u64 = 10;

fn store() -> MemoryStore {
    let mut store = MemoryStore::default();
    let block = |height| stored_block(7, height, vec![record(height, ITEM_BYTES)], height);
    let writes = (0..BLOCKS).map(|height| Write::Block(Box::new(block(height))));
    store.commit(writes.collect());
    store
}

/// Reads from a height on, with limits of blocks and bytes, and checks the heights that it gets.
#[track_caller]
fn check(from: u64, limit: usize, bytes_max: usize, heights: std::ops::Range<u64>, is_end: bool) {
    let read = blocks(&store(), 7, from, limit, bytes_max).unwrap();
    let found: Vec<_> = read
        .blocks
        .iter()
        .map(|stored| stored.block.header.height)
        .collect();
    assert_eq!(found, heights.collect::<Vec<_>>());
    assert_eq!(read.is_end, is_end);
}

#[test]
fn an_answer_ends_once_it_has_its_bytes() {
    check(0, usize::MAX, 1, 0..1, false);
    check(0, usize::MAX, 3 * BLOCK_BYTES, 0..3, false);
    check(0, usize::MAX, 3 * BLOCK_BYTES + 1, 0..4, false);
    check(6, usize::MAX, 3 * BLOCK_BYTES, 6..9, false);
    check(7, usize::MAX, 4 * BLOCK_BYTES, 7..10, true);
}

#[test]
fn an_answer_has_no_more_blocks_than_asked_for() {
    check(0, 1, usize::MAX, 0..1, false);
    check(4, 3, usize::MAX, 4..7, false);
    check(4, 7, usize::MAX, 4..10, true);
}

#[test]
fn an_answer_has_everything_up_to_the_end_where_that_fits() {
    check(0, usize::MAX, usize::MAX, 0..10, true);
    check(9, usize::MAX, usize::MAX, 9..10, true);
    check(10, usize::MAX, usize::MAX, 10..10, true);
}

#[test]
fn an_answer_has_blocks_of_one_incarnation() {
    for other in [6, 8] {
        let read = blocks(&store(), other, 0, usize::MAX, usize::MAX).unwrap();
        assert_eq!((read.blocks, read.is_end), (vec![], true));
    }
}

#[test]
fn an_entry_names_its_item_and_the_elements_that_it_adds() {
    let mut owner = Owner::new(everything);
    let first = submission(1, &[(1, true, vec![10])]);
    let second = submission(2, &[(1, true, vec![10, 11, 12])]);
    let mut added = vec![owner.add(&first)];
    owner.journal.note(&Item::Settled(KeyRanges::whole()));
    added.push(owner.add(&second));
    owner.cut(1);
    assert_eq!((added[0].len(), added[1].len()), (1, 2));
    let entries = owner.entries();
    assert_eq!(entries.len(), 2);
    for (entry, (index, submission, added)) in entries
        .into_iter()
        .zip([(1, &first, &added[0]), (3, &second, &added[1])])
    {
        assert_eq!(entry.index, index);
        assert_eq!(entry.transaction.id(), submission.transaction.id());
        assert_eq!(entry.added, *added);
    }
}

#[test]
fn a_block_that_its_transactions_do_not_fit_is_damage() {
    let mut owner = Owner::new(everything);
    let transaction = submission(1, &[(1, true, vec![10])]).transaction;
    owner.add(&submission(1, &[(1, true, vec![10])]));
    let block = owner.cut(1).unwrap().block;
    let id = transaction.id();
    for write in [
        Write::Remove(RowKey::Transaction(id)),
        Write::Transaction(id, Bytes::from_static(b"?")),
    ] {
        owner.store.commit(vec![write]);
        let read = entries(&owner.store, &overlay(), &block);
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    }
    let block = stored_block(7, 0, vec![Bytes::from_static(b"?")], 0).block;
    let read = entries(&owner.store, &overlay(), &block);
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
}
