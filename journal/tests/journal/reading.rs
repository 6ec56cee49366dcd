//! A reader's place in a journal: where it starts, and which blocks move it.

use kittengrad_journal::{
    Continued, FollowError, MemoryStore, ReadFrom, Reading, Step, place::Beginning,
};
use kittengrad_proto::{
    block::{Block, Head, Holds},
    cursor::{Cursor, CursorError},
    id::Id,
    signed::Signer as _,
    wire::{self, subscribe_request::From},
};
use kittengrad_support::journals::{Fake, FakeKey, overlay, submission};

use crate::follower::resigned;

const OWNER: FakeKey = FakeKey(1);

/// A journal of three blocks.
fn journal() -> Vec<Block> {
    let signer = std::sync::Arc::new(OWNER);
    let mut journal =
        kittengrad_journal::Journal::open(overlay(), signer, 7, None, Holds::whole(), &[]);
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

fn after(head: Head) -> ReadFrom {
    ReadFrom::After {
        head,
        time_ms: 1,
        holds: Some(Holds::whole()),
    }
}

fn reading(start: ReadFrom) -> Reading {
    Reading::new(OWNER.public(), start)
}

fn next(reading: &Reading, block: &Block) -> Result<Continued, FollowError> {
    reading.next(block, &block.decode_items().unwrap(), &Fake)
}

#[test]
fn a_request_says_where_a_subscription_begins() {
    let cursor = at(7, 2);
    let missing = || Err(CursorError::Missing);
    for (request, expected) in [
        (From::Genesis(true), Ok(Beginning::Genesis)),
        (From::Now(true), Ok(Beginning::Now)),
        (
            From::Cursor(cursor.to_wire()),
            Ok(Beginning::Cursor(cursor)),
        ),
        (From::Genesis(false), missing()),
        (From::Now(false), missing()),
    ] {
        assert_eq!(Beginning::from_wire(Some(&request)), expected);
    }
    assert_eq!(Beginning::from_wire(None), missing());
    let malformed = Beginning::from_wire(Some(&From::Cursor(wire::Cursor::default())));
    assert!(matches!(malformed, Err(CursorError::Journal(_))));
}

#[test]
fn a_place_is_before_later_ones_only() {
    for (start, is_before) in [
        (at(7, None), false),
        (at(7, 1), false),
        (at(7, 2), false),
        (at(7, 3), true),
        (at(8, None), true),
        (at(6, 9), false),
    ] {
        let hash = Id::ZERO;
        for here in [
            ReadFrom::At(at(7, 2)),
            after(Head {
                incarnation: 7,
                height: 2,
                hash,
            }),
        ] {
            assert_eq!(here.is_before(start), is_before, "{here:?} and {start}");
        }
        assert!(ReadFrom::Genesis.is_before(start));
    }
    assert!(ReadFrom::At(at(7, None)).is_before(at(7, 0)));
    assert!(!ReadFrom::At(at(7, None)).is_before(at(7, None)));
}

#[test]
fn a_subscription_begins_where_reading_starts() {
    for (start, cursor) in [
        (ReadFrom::Genesis, None),
        (ReadFrom::At(at(7, None)), Some(at(7, None))),
        (ReadFrom::At(at(7, 1)), Some(at(7, 1))),
        (after(journal()[1].head()), Some(at(7, 1))),
    ] {
        let reading = reading(start);
        assert_eq!(reading.cursor(), cursor);
        assert_eq!(reading.source(), OWNER.public());
    }
}

#[test]
fn first_block_is_any_that_the_owner_has() {
    for block in journal() {
        let first = next(&reading(ReadFrom::Genesis), &block).unwrap();
        assert_eq!((first.step, first.is_first), (Step::Next, true));
        assert_eq!(first.reading.cursor(), Some(at(7, block.header.height)));
    }
}

#[test]
fn only_the_first_block_since_genesis_is_the_first() {
    let blocks = journal();
    let first = next(&reading(ReadFrom::Genesis), &blocks[0]).unwrap();
    let second = next(&first.reading, &blocks[1]).unwrap();
    assert!(first.is_first && !second.is_first);
    for start in [ReadFrom::At(at(7, 0)), after(blocks[0].head())] {
        let second = next(&reading(start.clone()), &blocks[1]).unwrap();
        assert!(!second.is_first, "{start:?}");
    }
}

#[test]
fn next_block_is_the_one_after_the_start() {
    let blocks = journal();
    for (start, expected, holds) in [
        (ReadFrom::At(at(7, None)), 0, Some(Holds::whole())),
        (ReadFrom::At(at(7, 0)), 1, None),
        (after(blocks[0].head()), 1, Some(Holds::whole())),
    ] {
        let reading = reading(start.clone());
        let continued = next(&reading, &blocks[expected]).unwrap();
        assert_eq!(continued.step, Step::Next, "{start:?}");
        let place = ReadFrom::After {
            head: blocks[expected].head(),
            time_ms: 1,
            holds,
        };
        let expected_place = self::reading(place);
        assert_eq!(continued.reading.cursor(), expected_place.cursor());
        // The header of the block after it tells where the hold is.
        let after = |reading| next(reading, &blocks[expected + 1]).unwrap();
        assert_eq!(after(&continued.reading), after(&expected_place));
        let skipped = FollowError::Skipped {
            incarnation: 7,
            expected: expected as u64,
            found: expected as u64 + 1,
        };
        assert_eq!(next(&reading, &blocks[expected + 1]), Err(skipped));
    }
}

#[test]
fn a_reader_of_one_journal_refuses_blocks_of_another() {
    let blocks = journal();
    let other = FakeKey(2).public();
    for start in [
        ReadFrom::Genesis,
        ReadFrom::At(at(7, None)),
        ReadFrom::At(at(7, 0)),
        after(blocks[0].head()),
    ] {
        let refused = next(&Reading::new(other, start.clone()), &blocks[1]);
        let expected = FollowError::OtherJournal {
            height: 1,
            expected: other,
            found: OWNER.public(),
        };
        assert_eq!(refused, Err(expected), "{start:?}");
    }
}

#[test]
fn a_start_with_a_hash_is_linked_to_and_not_older() {
    let blocks = journal();
    let head = blocks[0].head();
    let hash = Id::of(&[b"another block"]);
    let unlinked = next(&reading(after(Head { hash, ..head })), &blocks[1]);
    let expected = FollowError::Link {
        height: 1,
        previous: head.hash,
        expected: hash,
    };
    assert_eq!(unlinked, Err(expected));
    let later = ReadFrom::After {
        head,
        time_ms: 6,
        holds: None,
    };
    let back = next(&reading(later), &blocks[1]);
    let (height, back_ms) = (1, 5);
    assert_eq!(back, Err(FollowError::TimeWentBack { height, back_ms }));
}

#[test]
fn blocks_link_even_if_the_start_has_no_hash() {
    let blocks = journal();
    let unlinked = resigned(&blocks[2], &OWNER, |fields| fields.previous = Id::ZERO);
    for start in [ReadFrom::Genesis, ReadFrom::At(at(7, 0))] {
        let reading = next(&reading(start), &blocks[1]).unwrap().reading;
        let refused = next(&reading, &unlinked);
        assert!(matches!(refused, Err(FollowError::Link { height: 2, .. })));
    }
}

#[test]
fn a_new_incarnation_continues_any_start_before_it() {
    let began = resigned(&journal()[0], &OWNER, |fields| fields.incarnation = 9);
    for start in [
        ReadFrom::At(at(7, None)),
        ReadFrom::At(at(7, 2)),
        after(journal()[2].head()),
    ] {
        let continued = next(&reading(start.clone()), &began).unwrap();
        assert_eq!(continued.step, Step::Began, "{start:?}");
        assert_eq!(continued.reading.cursor(), Some(at(9, 0)));
    }
    let first = next(&reading(ReadFrom::Genesis), &began).unwrap();
    assert_eq!(first.step, Step::Next);
    assert_eq!(first.reading.cursor(), Some(at(9, 0)));
}

#[test]
fn a_head_agrees_unless_it_is_another_one_at_the_place() {
    let head = journal()[1].head();
    let hash = Id::of(&[b"another block"]);
    let other = Head { hash, ..head };
    let read = reading(after(head));
    let expected = FollowError::Equivocation {
        incarnation: 7,
        height: 1,
        known: head.hash,
        found: hash,
    };
    assert_eq!(read.agrees(&other), Err(expected));
    for told in [
        head,
        Head { height: 0, ..other },
        Head { height: 2, ..other },
        Head {
            incarnation: 6,
            ..other
        },
        Head {
            incarnation: 8,
            ..other
        },
    ] {
        assert_eq!(read.agrees(&told), Ok(()), "{told:?}");
    }
    for start in [
        ReadFrom::Genesis,
        ReadFrom::At(at(7, None)),
        ReadFrom::At(at(7, 1)),
    ] {
        assert_eq!(reading(start).agrees(&other), Ok(()), "no hash is known");
    }
}

#[test]
fn a_known_block_moves_no_reader() {
    let blocks = journal();
    let reading = Reading::new(OWNER.public(), ReadFrom::At(at(7, 1)));
    for block in &blocks[..2] {
        let known = next(&reading, block).unwrap();
        assert_eq!(known.step, Step::Known);
        assert_eq!(known.reading, reading);
    }
    let next = next(&reading, &blocks[2]).unwrap();
    assert_eq!(next.step, Step::Next);
    assert_eq!(next.reading.cursor(), Some(at(7, 2)));
}
