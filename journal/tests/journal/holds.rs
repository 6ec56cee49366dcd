//! A journal says what its owner holds, and each item which of these cells it touches.

use std::sync::Arc;

use kittengrad_journal::{
    Accepted, FollowError, Follower, Journal, MemoryStore, ReadFrom, Reading, Step, StoreError,
    StoredBlock, Write,
};
use kittengrad_proto::{
    block::{
        Bitmap, Block, BlockError, Cells, CellsError, Header, HeaderFields, Holds, Item, ItemError,
    },
    cursor::Cursor,
    id::Id,
    signed::Signer as _,
    submission::Submission,
};
use kittengrad_ring::{KeyRange, Point};
use kittengrad_support::journals::{EntrySpec, Fake, FakeKey, Stepping as _, overlay, submission};

const OWNER: FakeKey = FakeKey(1);

fn point(first: u8) -> Point {
    let mut bytes = [0; 32];
    bytes[0] = first;
    Point::new(bytes)
}

/// The quarters of the circle with these numbers.
fn quarters(numbers: &[u8]) -> Holds {
    let quarter = |number: &u8| KeyRange::new(point(number << 6), point((number + 1) << 6));
    Holds::new(numbers.iter().map(quarter).collect()).unwrap()
}

fn open(holds: &Holds) -> Journal {
    Journal::open(overlay(), Arc::new(OWNER), 7, None, holds.clone(), &[])
}

/// Twenty canonicals, which lie in all quarters.
fn inserts() -> Submission {
    let entries: Vec<EntrySpec> = (0..20).map(|n| (n, true, vec![100 + n])).collect();
    submission(1, &entries)
}

fn add(journal: &mut Journal, submission: &Submission) {
    let store = MemoryStore::default();
    journal.add(submission, |_| true, &store).unwrap();
}

fn cut(journal: &mut Journal) -> Block {
    journal.cut(1, &mut Vec::new()).unwrap().block
}

#[test]
fn only_elements_inside_the_hold_are_added() {
    let (holds, submission) = (quarters(&[1, 3]), inserts());
    let mut journal = open(&holds);
    add(&mut journal, &submission);
    let added = journal.cut(1, &mut Vec::new()).unwrap().added;
    let elements = submission.transaction.elements();
    let held = elements.filter(|element| holds.contains(element.canonical.point()));
    assert_eq!(added.into_keys().collect::<Vec<_>>(), {
        let mut held: Vec<_> = held.collect();
        held.sort_unstable();
        held
    });
}

#[test]
fn an_item_signs_the_cells_that_it_touches() {
    let mut journal = open(&quarters(&[0, 1, 2, 3]));
    for number in 0..20 {
        let submission = submission(1, &[(number, true, vec![100 + number])]);
        let quarter = submission.transaction.entries()[0].canonical.as_bytes()[0] >> 6;
        add(&mut journal, &submission);
        let items = cut(&mut journal).decode_items().unwrap();
        let Some(Item::Transaction { cells, .. }) = items.last() else {
            panic!("{items:?}")
        };
        let expected = (0..4).map(|number| number == quarter);
        assert_eq!(*cells, Cells::new(expected), "{number}");
    }
}

#[test]
fn another_hold_begins_a_block_of_its_own() {
    let (before, after) = (quarters(&[0, 1]), quarters(&[1, 2]));
    let mut journal = open(&before);
    let mut writes = Vec::new();
    assert!(journal.hold(&before, 1, &mut writes).is_none());
    add(&mut journal, &inserts());
    let first = journal.hold(&after, 1, &mut writes).unwrap().block;
    assert_eq!(first.decode_items().unwrap()[0], Item::Hold(before.clone()));
    add(&mut journal, &inserts());
    let second = cut(&mut journal);
    assert_eq!(second.decode_items().unwrap()[0], Item::Hold(after.clone()));

    let mut follower = Follower::new(OWNER.public(), 7);
    assert_eq!(follower.holds(), None);
    let holds = |accepted: Accepted| accepted.holds;
    assert_eq!(follower.accept(&first, &Fake).map(holds), Ok(Some(before)));
    assert_eq!(
        follower.accept(&second, &Fake).map(holds),
        Ok(Some(after.clone()))
    );
    assert_eq!(follower.holds(), Some(&after));
}

/// A journal with a hold in block 0 and in block 2, which is resumed after each block.
fn moved() -> Vec<Block> {
    let mut store = MemoryStore::default();
    let mut journal = open(&quarters(&[0, 1]));
    let mut blocks = Vec::new();
    for number in 0..5 {
        let mut writes = Vec::new();
        match number {
            0 => {}
            2 => assert!(journal.hold(&quarters(&[1, 2]), 1, &mut writes).is_none()),
            from_height => journal.note(&Item::Gap {
                incarnation: 1,
                from_height,
            }),
        }
        blocks.push(journal.cut(1, &mut writes).unwrap().block);
        store.commit(writes);
        journal.committed();
        let resumed = Journal::resume(overlay(), Arc::new(OWNER), &store);
        journal = resumed.unwrap().unwrap();
    }
    blocks
}

#[test]
fn each_header_refers_to_the_last_hold() {
    let blocks = moved();
    let referred: Vec<_> = blocks.iter().map(|block| block.header.hold).collect();
    assert_eq!(referred, [0, 0, 2, 2, 2]);
    let mut follower = Follower::new(OWNER.public(), 7);
    for block in &blocks {
        follower.step(block, &Fake).unwrap();
        assert_eq!(follower.hold_height(), Some(block.header.hold));
    }
}

#[test]
fn a_header_that_refers_to_another_block_is_refused() {
    let blocks = moved();
    for (at, named) in [(1, 1), (2, 0), (3, 0), (4, 3)] {
        let mut follower = Follower::new(OWNER.public(), 7);
        for block in &blocks[..at] {
            follower.step(block, &Fake).unwrap();
        }
        let height = at as u64;
        let refused = follower.step(&refers(&blocks[at], named), &Fake);
        let error = BlockError::HoldHeight { height, named };
        assert_eq!(refused, Err(FollowError::Block(error)), "block {at}");
    }
    // A follower that began in the middle learns it from the next header.
    let head = blocks[2].head();
    let unknown = || Follower::after(OWNER.public(), head, 1);
    assert!(unknown().step(&refers(&blocks[3], 1), &Fake).is_ok());
    let known = unknown().holding_since(Some(2));
    assert!(known.clone().step(&refers(&blocks[3], 1), &Fake).is_err());
    assert!(known.clone().step(&blocks[3], &Fake).is_ok());
}

/// The block with a header that refers to the hold of another block.
fn refers(block: &Block, hold: u64) -> Block {
    let header = &block.header;
    let fields = HeaderFields {
        incarnation: header.incarnation,
        height: header.height,
        previous: header.previous,
        time_ms: header.time_ms,
        items_root: header.items_root,
        item_count: header.item_count,
        fork: header.fork,
        checkpoint: None,
        hold,
    };
    Block {
        header: Header::sign(&overlay(), &fields, &OWNER),
        items: block.items.clone(),
        through: block.through.clone(),
    }
}

#[test]
fn a_resumed_journal_knows_its_last_hold() {
    let resume = |store: &MemoryStore| Journal::resume(overlay(), Arc::new(OWNER), store);
    let mut store = MemoryStore::default();
    let mut journal = open(&quarters(&[0, 1]));
    let mut check = |journal: &mut Journal, holds: &Holds| {
        let mut writes = Vec::new();
        journal.cut(1, &mut writes);
        store.commit(writes);
        let resumed = resume(&store).unwrap().unwrap();
        assert_eq!(resumed.holds(), holds);
    };
    check(&mut journal, &quarters(&[0, 1]));
    journal.hold(&quarters(&[2]), 1, &mut Vec::new());
    check(&mut journal, &quarters(&[2]));
    add(&mut journal, &inserts());
    check(&mut journal, &quarters(&[2]));

    let mut without = MemoryStore::default();
    let genesis = open(&quarters(&[0])).cut(1, &mut Vec::new()).unwrap();
    without.commit(vec![Write::Block(Box::new(StoredBlock {
        block: genesis.block,
        offset: 0,
    }))]);
    let damaged = resume(&without).err();
    assert!(
        matches!(damaged, Some(StoreError::Damaged(_))),
        "{damaged:?}"
    );
}

/// The second block of a journal, made of `items`.
fn second(items: &[Item]) -> (Follower, Block) {
    let mut journal = open(&quarters(&[0, 1]));
    let mut follower = Follower::new(OWNER.public(), 7);
    follower.step(&cut(&mut journal), &Fake).unwrap();
    for (number, item) in items.iter().enumerate() {
        match item {
            Item::Hold(holds) if number == 0 => {
                journal.hold(holds, 1, &mut Vec::new());
            }
            item => journal.note(item),
        }
    }
    (follower, cut(&mut journal))
}

fn listed(cells: Cells) -> Item {
    Item::Transaction {
        id: Id::of(&[b"a transaction"]),
        bitmap: Bitmap::new([true]),
        cells,
    }
}

#[test]
fn follower_refuses_items_that_do_not_fit_the_hold() {
    let late = Item::Hold(quarters(&[2]));
    let right = || listed(Cells::new([true, false]));
    let settled = |numbers: &[u8]| Item::Settled(quarters(numbers).ranges());
    for (items, is_right) in [
        (vec![right()], true),
        (vec![settled(&[0, 1])], true),
        (vec![late.clone(), settled(&[2])], true),
        (vec![right(), late], false),
        (vec![settled(&[1, 2])], false),
        (vec![listed(Cells::new([true, false, true]))], false),
        (vec![listed(Cells::new([true; 9]))], false),
        (vec![listed(Cells::new([false, false]))], false),
    ] {
        let (mut follower, block) = second(&items);
        let before = follower.clone();
        let step = follower.step(&block, &Fake);
        assert_eq!(step.is_ok(), is_right, "{items:?}");
        if let Err(error) = step {
            let is_item = |e: &FollowError| {
                matches!(e, FollowError::Block(BlockError::Item { height: 1, .. }))
            };
            assert!(is_item(&error), "{error}");
            assert_eq!(follower, before);
        }
    }
}

#[test]
fn a_journal_that_does_not_begin_with_a_hold_is_refused() {
    let (_, block) = second(&[listed(Cells::new([true]))]);
    let header = &block.header;
    let fields = HeaderFields {
        incarnation: 7,
        height: 0,
        previous: Id::ZERO,
        time_ms: 1,
        items_root: header.items_root,
        item_count: header.item_count,
        fork: None,
        checkpoint: None,
        hold: 0,
    };
    let header = Header::sign(&overlay(), &fields, &OWNER);
    let items = block.items.clone();
    let refused = Follower::new(OWNER.public(), 7).step(
        &Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        },
        &Fake,
    );
    let no_hold = BlockError::NoHold { height: 0 };
    assert_eq!(refused, Err(FollowError::Block(no_hold)));
}

#[test]
fn a_reader_from_the_middle_checks_from_the_next_hold_on() {
    let mut journal = open(&quarters(&[0, 1]));
    let genesis = cut(&mut journal);
    journal.note(&listed(Cells::new([true; 9])));
    let wrong = cut(&mut journal);
    journal.hold(&quarters(&[2]), 1, &mut Vec::new());
    let held = cut(&mut journal);
    let cursor = Cursor {
        journal: OWNER.public(),
        incarnation: 7,
        height: Some(0),
    };
    let next = |reading: &Reading, block: &Block| {
        let items = block.decode_items().unwrap();
        reading.next(block, &items, &Fake)
    };
    let reading = Reading::new(OWNER.public(), ReadFrom::At(cursor));
    let first = next(&reading, &wrong).unwrap();
    assert_eq!((first.step, first.holds), (Step::Next, None));
    let second = next(&first.reading, &held).unwrap();
    assert_eq!(second.holds, Some(quarters(&[2])));

    let after = |holds| ReadFrom::After {
        head: genesis.head(),
        time_ms: 1,
        holds,
    };
    let knowing = Reading::new(OWNER.public(), after(Some(quarters(&[0, 1]))));
    let length = CellsError::Length { bytes: 2, arcs: 2 };
    let error = ItemError::Cells(length);
    let expected = BlockError::Item {
        height: 1,
        item: 0,
        error,
    };
    assert_eq!(next(&knowing, &wrong), Err(FollowError::Block(expected)));
}
