//! Starts of a subscription: valid cursors begin at their place, and others get a problem with a start.

use kittengrad_journal::{
    MemoryStore, Tip, Write,
    place::{Beginning, Extent, Place, Start, extent, oldest, start},
};
use kittengrad_proto::{
    block::Head,
    cursor::Cursor,
    id::PublicKey,
    signed::Signer,
    wire::{self, cursor_problem::Kind},
};
use kittengrad_support::journals::{FakeKey, stored_block};

const OWN: FakeKey = FakeKey(1);

/// Makes a store with blocks at these incarnations and heights.
fn store_of(blocks: impl IntoIterator<Item = (u64, u64)>) -> MemoryStore {
    let mut store = MemoryStore::default();
    let write = |(incarnation, height)| {
        let block = stored_block(incarnation, height, Vec::new(), 0);
        Write::Block(Box::new(block))
    };
    store.commit(blocks.into_iter().map(write).collect());
    store
}

/// The tip for a published block at this place.
fn tip(incarnation: u64, height: u64) -> Tip {
    let block = stored_block(incarnation, height, Vec::new(), 0).block;
    Tip {
        head: block.head(),
        time_ms: block.header.time_ms,
        offset: 0,
    }
}

/// A journal with incarnations 7, 9, 12 and 15. The first two blocks of 7 were removed. Block 3 of 12 and all of 15 are
/// not published yet.
fn sample() -> (MemoryStore, Tip) {
    let blocks = [(7, 2), (7, 3), (7, 4), (9, 0), (9, 1), (12, 0), (12, 1)];
    let later = [(12, 2), (12, 3), (15, 0)];
    (store_of(blocks.into_iter().chain(later)), tip(12, 2))
}

fn cursor(incarnation: u64, height: impl Into<Option<u64>>) -> Cursor {
    Cursor {
        journal: OWN.public(),
        incarnation,
        height: height.into(),
    }
}

fn at(incarnation: u64, height: u64) -> Start {
    Start::At(Some(Place {
        incarnation,
        height,
    }))
}

/// The answer that refuses a cursor and proposes the cursor `instead`.
fn problem(kind: Kind, instead: Option<Cursor>) -> Start {
    Start::Problem(wire::CursorProblem {
        kind: kind.into(),
        start: instead.as_ref().map(Cursor::to_wire),
    })
}

#[test]
fn every_cursor_starts_somewhere_or_is_told_where_to() {
    let (store, tip) = sample();
    let too_old = || problem(Kind::TooOld, Some(cursor(7, 1)));
    let future = |instead| problem(Kind::Future, Some(instead));
    let unknown = |instead| problem(Kind::UnknownIncarnation, Some(instead));
    for (from, expected) in [
        (cursor(5, 3), unknown(cursor(7, None))),
        (cursor(7, None), too_old()),
        (cursor(7, 0), too_old()),
        (cursor(7, 1), at(7, 2)),
        (cursor(7, 3), at(7, 4)),
        (cursor(7, 4), at(7, 5)),
        (cursor(7, 5), future(cursor(9, None))),
        (cursor(8, 0), unknown(cursor(9, None))),
        (cursor(9, None), at(9, 0)),
        (cursor(9, 0), at(9, 1)),
        (cursor(9, 1), at(9, 2)),
        (cursor(9, 2), future(cursor(12, None))),
        (cursor(10, 7), unknown(cursor(12, None))),
        (cursor(12, None), at(12, 0)),
        (cursor(12, 1), at(12, 2)),
        (cursor(12, 2), at(12, 3)),
        (cursor(12, 3), future(cursor(12, 2))),
        (cursor(12, u64::MAX), future(cursor(12, 2))),
        (cursor(13, None), unknown(cursor(12, None))),
        (cursor(15, None), unknown(cursor(12, None))),
    ] {
        let found = start(Beginning::Cursor(from), OWN.public(), Some(tip), &store);
        assert_eq!(found, Ok(expected), "{from}");
    }
}

#[test]
fn another_journals_cursor_is_sent_to_the_oldest_block() {
    let (store, tip) = sample();
    for (incarnation, height) in [(7, Some(3)), (12, Some(1)), (12, None), (4, Some(0))] {
        let from = Cursor {
            journal: PublicKey::new([2; 32]),
            ..cursor(incarnation, height)
        };
        let found = start(Beginning::Cursor(from), OWN.public(), Some(tip), &store);
        let expected = problem(Kind::OtherJournal, Some(cursor(7, 1)));
        assert_eq!(found, Ok(expected), "{from}");
    }
}

#[test]
fn genesis_is_the_oldest_block_and_now_is_after_the_last() {
    let (store, tip) = sample();
    let started = |from| start(from, OWN.public(), Some(tip), &store);
    assert_eq!(started(Beginning::Genesis), Ok(at(7, 2)));
    assert_eq!(started(Beginning::Now), Ok(at(12, 3)));
}

#[test]
fn the_first_block_is_found_wherever_older_ones_end() {
    for first in 0..=9 {
        let store = store_of((first..=9).map(|height| (7, height)));
        let tip = Some(tip(7, 9));
        let genesis = start(Beginning::Genesis, OWN.public(), tip, &store);
        assert_eq!(genesis, Ok(at(7, first)));
        let from = Beginning::Cursor(cursor(7, None));
        let expected = match first.checked_sub(1) {
            Some(before) => problem(Kind::TooOld, Some(cursor(7, before))),
            None => at(7, 0),
        };
        assert_eq!(start(from, OWN.public(), tip, &store), Ok(expected));
    }
}

#[test]
fn a_journal_without_a_block_has_no_place_to_start() {
    let store = MemoryStore::default();
    let started = |from| start(from, OWN.public(), None, &store);
    assert_eq!(started(Beginning::Genesis), Ok(Start::At(None)));
    assert_eq!(started(Beginning::Now), Ok(Start::At(None)));
    let unknown = problem(Kind::UnknownIncarnation, None);
    assert_eq!(started(Beginning::Cursor(cursor(7, None))), Ok(unknown));
    let other = Cursor {
        journal: PublicKey::new([2; 32]),
        ..cursor(7, None)
    };
    let other_journal = problem(Kind::OtherJournal, None);
    assert_eq!(started(Beginning::Cursor(other)), Ok(other_journal));
}

#[test]
fn the_place_after_a_block_is_the_next_height() {
    let head = Head {
        height: 41,
        ..tip(7, 0).head
    };
    let next = Place {
        incarnation: 7,
        height: 42,
    };
    assert_eq!(Place::of(head).next(), next);
    let last = Place {
        height: u64::MAX,
        ..next
    };
    assert_eq!(last.next(), last, "no height is too high");
}

#[test]
fn an_incarnation_extends_to_its_last_published_block() {
    let (store, tip) = sample();
    let following = |incarnation| {
        let height = 0;
        Some(Place {
            incarnation,
            height,
        })
    };
    for (incarnation, last, following) in
        [(7, 4, following(9)), (9, 1, following(12)), (12, 2, None)]
    {
        let expected = Extent::Known { last, following };
        assert_eq!(extent(incarnation, tip, &store), Ok(expected));
    }
    for incarnation in [6, 8, 13, 15] {
        assert_eq!(extent(incarnation, tip, &store), Ok(Extent::Unknown));
    }
}

#[test]
fn the_oldest_block_is_the_first_of_the_oldest_incarnation() {
    let (store, tip) = sample();
    let place = |incarnation, height| {
        Some(Place {
            incarnation,
            height,
        })
    };
    assert_eq!(oldest(Some(tip), &store), Ok(place(7, 2)));
    assert_eq!(oldest(None, &store), Ok(None), "nothing is published");
    assert_eq!(oldest(Some(tip), &MemoryStore::default()), Ok(None));
}
