//! Reading blocks back: in order, within the limits of one answer, and with a sign at the end.

use kittengrad_journal::{MemoryStore, Write, blocks};
use kittengrad_support::journals::{record, stored_block};

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
