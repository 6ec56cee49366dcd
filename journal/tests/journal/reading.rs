//! A reader's place in a journal: where it starts, and which blocks move it.

use kittengrad_journal::{MemoryStore, ReadFrom, Reading, Step, place::Beginning};
use kittengrad_proto::{
    block::Block, cursor::Cursor, signed::Signer as _, wire::subscribe_request::From,
};
use kittengrad_support::journals::{Fake, FakeKey, overlay, submission};

const OWNER: FakeKey = FakeKey(1);

/// A journal of three blocks.
fn journal() -> Vec<Block> {
    let signer = std::sync::Arc::new(OWNER);
    let mut journal = kittengrad_journal::Journal::open(overlay(), signer, 7, None, &[]);
    let mut store = MemoryStore::default();
    let blocks = (0..3).map(|number| {
        let submission = submission(1, &[(number, true, vec![100 + number])]);
        journal.add(&submission, |_| true, &store).unwrap();
        let mut writes = Vec::new();
        let cut = journal.cut(1, &mut writes).unwrap();
        store.commit(writes);
        journal.committed();
        cut.block
    });
    blocks.collect()
}

fn at(incarnation: u64, height: impl Into<Option<u64>>) -> Cursor {
    Cursor {
        journal: OWNER.public(),
        incarnation,
        height: height.into(),
    }
}

#[test]
fn a_request_says_where_a_subscription_begins() {
    let cursor = at(7, 2);
    for (request, expected) in [
        (From::Genesis(true), Some(Beginning::Genesis)),
        (From::Now(true), Some(Beginning::Now)),
        (
            From::Cursor(cursor.to_wire()),
            Some(Beginning::Cursor(cursor)),
        ),
        (From::Genesis(false), None),
        (From::Now(false), None),
    ] {
        assert_eq!(Beginning::from_wire(Some(&request)).ok(), expected);
    }
    assert!(Beginning::from_wire(None).is_err());
}

#[test]
fn a_place_is_before_later_ones_only() {
    let here = ReadFrom::At(at(7, 2));
    for (start, is_before) in [
        (at(7, 1), false),
        (at(7, 2), false),
        (at(7, 3), true),
        (at(8, None), true),
        (at(6, 9), false),
    ] {
        assert_eq!(here.is_before(start), is_before, "{start}");
        assert!(ReadFrom::Genesis.is_before(start));
    }
}

#[test]
fn a_known_block_moves_no_reader() {
    let blocks = journal();
    let reading = Reading::new(OWNER.public(), ReadFrom::At(at(7, 1)));
    for block in &blocks[..2] {
        let known = reading.next(block, &Fake).unwrap();
        assert_eq!(known.step, Step::Known);
        assert_eq!(known.reading, reading);
    }
    let next = reading.next(&blocks[2], &Fake).unwrap();
    assert_eq!(next.step, Step::Next);
    assert_eq!(next.reading.cursor(), Some(at(7, 2)));
}
