//! Following a journal: the pace of requests, limits, and the position that counts.

use std::sync::Arc;

use kittengrad_journal::{self as journal, Journal, MemoryStore};
use kittengrad_plants::Plants;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Holds, Item},
    id::Id,
    limits::FETCH_MAX,
    link::Frames,
    signed::Signer as _,
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};
use kittengrad_support::journals::{Fake, FakeKey, overlay};

use crate::catch_up::{
    follow::{Ask, Following},
    known::Listed,
};

const OWNER: FakeKey = FakeKey(1);
const INCARNATION: u64 = 7;
const PATIENCE_MS: u64 = 100;
/// Missing transactions of one journal, at most.
const MISSING_MAX: usize = 8 * FETCH_MAX;

fn id(number: usize) -> Id {
    Id::of(&[&number.to_be_bytes()])
}

fn listed(number: usize) -> Listed {
    Listed {
        id: id(number),
        added: Bitmap::new([true]),
        cells: Cells::new([true]),
        holds: Holds::whole(),
    }
}

/// Blocks of one journal, each with these items.
fn blocks(all: &[Vec<Item>]) -> Vec<Block> {
    let key = Arc::new(OWNER);
    let mut journal = Journal::open(overlay(), key, INCARNATION, None, Holds::whole(), &[]);
    let cut = |items: &Vec<Item>| {
        items.iter().for_each(|item| journal.note(item));
        journal.cut(1, &mut Vec::new()).unwrap().block
    };
    all.iter().map(cut).collect()
}

fn lists(number: usize, bits: &[bool]) -> Item {
    Item::Transaction {
        id: id(number),
        bitmap: Bitmap::new(bits.iter().copied()),
        cells: Cells::new([true]),
    }
}

/// A journal whose block `n` lists transaction `n`.
fn journal_of(count: usize) -> Vec<Block> {
    let items: Vec<_> = (0..count).map(|n| vec![lists(n, &[true])]).collect();
    blocks(&items)
}

fn following() -> Following {
    Following::new(OWNER.public(), None, &KeyRanges::whole(), Plants::NONE)
}

/// Accepts a block. Returns the transactions that it lists, unless it was passed over.
fn take(following: &mut Following, block: &Block, is_answer: bool) -> Option<Vec<Listed>> {
    following.accept(block, is_answer, &Fake).unwrap()
}

/// Accepts a block whose transactions are all missing.
fn accept(following: &mut Following, block: &Block) {
    let listed = take(following, block, true).unwrap();
    following.wait_for(listed);
}

/// Accepts a block whose transactions are all here.
fn apply(following: &mut Following, block: &Block) {
    take(following, block, true).unwrap();
    following.wait_for(Vec::new());
}

fn ask(from_height: u64) -> Option<Ask> {
    Some(Ask {
        incarnation: INCARNATION,
        from_height,
    })
}

fn beyond() -> Head {
    crate::fixtures::head(INCARNATION, 90)
}

#[test]
fn a_position_advances_over_blocks_in_their_order() {
    let blocks = journal_of(3);
    let mut following = following();
    for block in &blocks {
        accept(&mut following, block);
    }
    for (number, is_over, applied) in [
        (1, Some(true), None),
        (0, Some(true), Some(1)),
        (0, None, Some(1)),
        (2, Some(true), Some(2)),
    ] {
        assert_eq!(following.resolve(&id(number), |_| true), is_over);
        let applied = applied.map(|height: usize| blocks[height].head());
        assert_eq!(following.applied_head(), applied, "{number}");
    }
}

#[test]
fn a_block_waits_for_all_its_transactions() {
    let blocks = blocks(&[vec![lists(0, &[true]), lists(1, &[true])]]);
    let mut following = following();
    accept(&mut following, &blocks[0]);
    following.resolve(&id(1), |_| true);
    assert_eq!(following.applied_head(), None);
    following.resolve(&id(0), |_| true);
    assert_eq!(following.applied_head(), Some(blocks[0].head()));
}

#[test]
fn each_listing_of_a_transaction_waits_for_its_own_elements() {
    let blocks = blocks(&[vec![lists(0, &[true])], vec![lists(0, &[false, true])]]);
    let mut following = following();
    for block in &blocks {
        accept(&mut following, block);
    }
    let nothing = following.resolve(&id(0), |_| false);
    assert_eq!((nothing, following.applied_head()), (Some(false), None));
    let first = following.resolve(&id(0), |added| added.is_set(0));
    let applied = following.applied_head();
    assert_eq!((first, applied), (Some(false), Some(blocks[0].head())));
    let second = following.resolve(&id(0), |added| added.is_set(1));
    let applied = following.applied_head();
    assert_eq!((second, applied), (Some(true), Some(blocks[1].head())));
}

#[test]
fn a_block_lists_its_transactions_as_its_owner_signed_them() {
    let gap = Item::Gap {
        incarnation: 0,
        from_height: 0,
    };
    let items = vec![lists(0, &[true]), gap, lists(2, &[false, true])];
    let second = Listed {
        added: Bitmap::new([false, true]),
        ..listed(2)
    };
    let found = take(&mut following(), &blocks(&[items])[0], true);
    assert_eq!(found, Some(vec![listed(0), second]));
}

#[test]
fn items_that_do_not_fit_the_hold_end_the_reading() {
    let beyond = Item::Transaction {
        id: id(0),
        bitmap: Bitmap::new([true]),
        cells: Cells::new([true, true]),
    };
    let blocks = blocks(&[vec![lists(0, &[true])], vec![beyond]]);
    let mut following = following();
    apply(&mut following, &blocks[0]);
    assert!(following.accept(&blocks[1], true, &Fake).is_err());
    assert_eq!(following.ask(9 * PATIENCE_MS, PATIENCE_MS), None);
    following.disconnect();
    assert_eq!(following.ask(0, PATIENCE_MS), ask(1));
}

#[test]
fn requests_go_on_after_the_last_block_and_repeat_when_late() {
    let blocks = journal_of(3);
    let mut following = following();
    let first = Ask {
        incarnation: 0,
        from_height: 0,
    };
    for (now_ms, expected) in [
        (1_000, Some(first)),
        (1_000 + PATIENCE_MS - 1, None),
        (1_000 + PATIENCE_MS, Some(first)),
        (1_000 + 2 * PATIENCE_MS - 1, None),
        (1_000 + 2 * PATIENCE_MS, Some(first)),
    ] {
        let asked = following.ask(now_ms, PATIENCE_MS);
        assert_eq!(asked, expected, "{now_ms}");
    }
    accept(&mut following, &blocks[0]);
    following.took(Some(blocks[2].head()), true, 1);
    assert_eq!(following.ask(1_300, PATIENCE_MS), ask(1));
}

#[test]
fn a_reader_is_live_once_it_has_the_head_that_came() {
    let blocks = journal_of(2);
    let mut following = following();
    following.ask(0, PATIENCE_MS);
    apply(&mut following, &blocks[0]);
    following.took(Some(blocks[1].head()), true, 1);
    assert!(!following.is_live());
    following.ask(0, PATIENCE_MS);
    apply(&mut following, &blocks[1]);
    following.took(Some(blocks[1].head()), true, 1);
    assert!(following.is_live());
    // It asks only if there is more than it has.
    for known in [blocks[0].head(), blocks[1].head()] {
        following.told(known);
        following.took(Some(known), false, 0);
        assert_eq!(following.ask(PATIENCE_MS, PATIENCE_MS), None);
    }
    following.told(beyond());
    assert_eq!(following.ask(PATIENCE_MS, PATIENCE_MS), ask(2));
}

#[test]
fn blocks_that_a_live_reader_missed_are_asked_for() {
    let blocks = journal_of(1);
    let mut following = following();
    following.ask(0, PATIENCE_MS);
    apply(&mut following, &blocks[0]);
    following.took(Some(blocks[0].head()), true, 1);
    following.took(Some(beyond()), false, 0);
    assert_eq!(following.ask(0, PATIENCE_MS), ask(1));
}

#[test]
fn an_answer_without_a_block_ends_the_requests() {
    let blocks = journal_of(1);
    let mut following = following();
    apply(&mut following, &blocks[0]);
    following.ask(0, PATIENCE_MS);
    // Frames that were on their way do not end the request, and a higher head does not repeat it.
    following.took(Some(beyond()), false, 0);
    following.told(beyond());
    assert_eq!(following.ask(PATIENCE_MS - 1, PATIENCE_MS), None);
    following.took(Some(beyond()), true, 0);
    assert!(!following.is_live());
    assert_eq!(following.ask(9 * PATIENCE_MS, PATIENCE_MS), None);
    following.told(blocks[0].head());
    assert_eq!(following.ask(9 * PATIENCE_MS, PATIENCE_MS), None);
    following.told(beyond());
    assert_eq!(following.ask(9 * PATIENCE_MS, PATIENCE_MS), ask(1));
}

#[test]
fn only_frames_with_the_next_block_answer_a_request() {
    let blocks = journal_of(2);
    let of = |blocks: &[Block]| Frames {
        blocks: blocks.to_vec(),
        head: None,
    };
    let mut following = following();
    let answers = |following: &Following| {
        [&blocks[..0], &blocks[..1], &blocks[1..]]
            .map(|blocks| following.is_answered_by(&of(blocks)))
    };
    assert_eq!(answers(&following), [false; 3], "nothing was asked");
    following.ask(0, PATIENCE_MS);
    assert_eq!(answers(&following), [true, true, false]);
    accept(&mut following, &blocks[0]);
    assert_eq!(answers(&following), [true, false, true]);
}

#[test]
fn known_blocks_and_blocks_beyond_a_gap_are_passed_over() {
    let blocks = journal_of(3);
    let mut following = following();
    apply(&mut following, &blocks[0]);
    for passed in [0, 2] {
        assert_eq!(take(&mut following, &blocks[passed], true), None);
        assert_eq!(following.applied_head(), Some(blocks[0].head()));
    }
    assert_eq!(
        take(&mut following, &blocks[1], true),
        Some(vec![listed(1)])
    );
}

#[test]
fn a_quarantined_journal_is_read_again_on_the_next_connection() {
    let blocks = journal_of(2);
    let mut following = following();
    apply(&mut following, &blocks[0]);
    following.quarantine();
    following.told(beyond());
    following.took(Some(blocks[0].head()), true, 0);
    assert!(!following.is_live());
    assert_eq!(following.ask(9 * PATIENCE_MS, PATIENCE_MS), None);
    assert_eq!(take(&mut following, &blocks[1], true), None);
    following.disconnect();
    assert_eq!(following.ask(0, PATIENCE_MS), ask(1));
    assert!(take(&mut following, &blocks[1], true).is_some());
}

#[test]
fn blocks_need_room_for_missing_transactions_unless_asked_for() {
    let blocks = journal_of(4);
    let mut following = following();
    take(&mut following, &blocks[0], false).unwrap();
    following.wait_for((10..MISSING_MAX + 9).map(listed).collect());
    assert_eq!(following.ask(0, PATIENCE_MS), ask(1), "one has room");
    let more = take(&mut following, &blocks[1], false).unwrap();
    following.wait_for(more);
    assert_eq!(following.ask(PATIENCE_MS, PATIENCE_MS), None);
    assert_eq!(take(&mut following, &blocks[2], false), None);
    assert_eq!(
        take(&mut following, &blocks[2], true),
        Some(vec![listed(2)])
    );
    following.wait_for(Vec::new());
    following.resolve(&id(10), |_| true);
    assert!(take(&mut following, &blocks[3], false).is_some());
}

#[test]
fn blocks_that_wait_are_asked_for_again_on_the_next_connection() {
    let blocks = journal_of(3);
    let mut following = following();
    apply(&mut following, &blocks[0]);
    accept(&mut following, &blocks[1]);
    accept(&mut following, &blocks[2]);
    following.disconnect();
    assert_eq!(following.resolve(&id(1), |_| true), None);
    assert_eq!(following.ask(0, PATIENCE_MS), ask(1));
    accept(&mut following, &blocks[1]);
    assert_eq!(following.resolve(&id(1), |_| true), Some(true));
    assert_eq!(following.applied_head(), Some(blocks[1].head()));
}

#[test]
fn a_journal_is_read_up_to_a_head_once_that_block_is_applied() {
    let blocks = journal_of(3);
    let mut following = following();
    let arc = KeyRange::new(Point::new([1; 32]), Point::new([9; 32]));
    let heads: Vec<_> = blocks.iter().map(Block::head).collect();
    assert!(!following.has_reached(arc, heads[0]));
    apply(&mut following, &blocks[0]);
    apply(&mut following, &blocks[1]);
    accept(&mut following, &blocks[2]);
    let reached = |head: Head| following.has_reached(arc, head);
    assert_eq!(
        [heads[0], heads[1], heads[2]].map(reached),
        [true, true, false]
    );
    let (older, newer) = (INCARNATION - 1, INCARNATION + 1);
    let others = [(older, 90), (newer, 0)];
    let others = others.map(|(incarnation, height)| crate::fixtures::head(incarnation, height));
    assert_eq!(others.map(reached), [true, false]);
}

#[test]
fn the_applied_position_is_kept_once_with_its_arcs() {
    let blocks = journal_of(2);
    let held: KeyRanges = KeyRange::new(Point::new([1; 32]), Point::new([9; 32])).into();
    let mut following = Following::new(OWNER.public(), None, &held, Plants::NONE);
    assert_eq!(following.take_dirty(), None);
    apply(&mut following, &blocks[0]);
    accept(&mut following, &blocks[1]);
    let write = following.take_dirty().unwrap();
    assert_eq!(following.take_dirty(), None);
    let mut store = MemoryStore::default();
    store.commit(vec![write]);
    let kept = journal::applied(&store, OWNER.public());
    let kept = kept.unwrap().unwrap();
    assert_eq!(kept.follower.head(), Some(blocks[0].head()));
    assert_eq!(kept.held, held);
    // The next process continues there, and has nothing new to write.
    let mut next = Following::new(OWNER.public(), Some(kept), &held, Plants::NONE);
    assert_eq!(next.take_dirty(), None);
    assert_eq!(next.ask(0, PATIENCE_MS), ask(1));
    following.resolve(&id(1), |_| true);
    assert!(following.take_dirty().is_some());
}
