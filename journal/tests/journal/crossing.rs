//! The place of a follower, and the blocks at which it crosses over to a new incarnation.

use std::sync::Arc;

use kittengrad_journal::{FollowError, Follower, Step};
use kittengrad_proto::{
    block::{Block, Head},
    cursor::Cursor,
    id::Id,
    signed::Signer,
};
use kittengrad_support::journals::{Fake, FakeKey, Stepping as _};

use crate::follower::{following, journal, owners_journal, resigned};

const OWNER: FakeKey = FakeKey(1);

/// The first block of incarnation 9, which forks from a block at this place.
fn forked(place: Option<(u64, u64)>) -> Block {
    let first = &journal(Arc::new(OWNER), 9, 1)[0];
    let fork = place.map(|(incarnation, height)| Head {
        incarnation,
        height,
        hash: Id::ZERO,
    });
    resigned(first, &OWNER, |fields| fields.fork = fork)
}

#[test]
fn a_follower_begins_before_the_first_block() {
    let follower = Follower::new(OWNER.public(), 7);
    let cursor = Cursor {
        journal: OWNER.public(),
        incarnation: 7,
        height: None,
    };
    assert_eq!(follower.cursor(), cursor);
    assert_eq!(follower.head(), None);
    assert_eq!((follower.time_ms(), follower.next_height()), (0, 0));
}

#[test]
fn a_follower_continues_after_the_block_that_it_is_given() {
    let block = &owners_journal()[2];
    let follower = Follower::after(OWNER.public(), block.head(), 77);
    let cursor = Cursor {
        journal: OWNER.public(),
        incarnation: 7,
        height: Some(2),
    };
    assert_eq!(follower.cursor(), cursor);
    assert_eq!(follower.head(), Some(block.head()));
    assert_eq!((follower.time_ms(), follower.next_height()), (77, 3));
}

#[test]
fn only_the_next_height_is_next() {
    let blocks = owners_journal();
    for accepted in 0..blocks.len() {
        let follower = following(&blocks[..accepted]);
        for (height, block) in blocks.iter().enumerate() {
            assert_eq!(follower.is_next(&block.header), height == accepted);
        }
    }
}

#[test]
fn an_older_incarnation_is_never_next() {
    let old = &journal(Arc::new(OWNER), 6, 1)[0];
    for mut follower in [following(&[]), following(&owners_journal())] {
        let before = follower.clone();
        assert!(!follower.is_next(&old.header));
        assert_eq!(follower.step(old, &Fake), Ok(Step::Known));
        assert_eq!(follower, before);
    }
}

#[test]
fn forks_are_compared_by_incarnation_and_then_height() {
    let blocks = owners_journal();
    for (accepted, place, is_read) in [
        (2, None, true),
        (2, Some((6, 9)), true),
        (2, Some((7, 0)), true),
        (2, Some((7, 1)), true),
        (2, Some((7, 2)), false),
        (2, Some((8, 0)), false),
        (0, None, true),
        (0, Some((6, 9)), true),
        (0, Some((7, 0)), false),
        (0, Some((8, 0)), false),
    ] {
        let mut follower = following(&blocks[..accepted]);
        let block = forked(place);
        assert_eq!(follower.is_next(&block.header), is_read, "{place:?}");
        let began = follower.step(&block, &Fake) == Ok(Step::Began);
        assert_eq!(began, is_read, "{accepted} blocks, fork at {place:?}");
    }
}

#[test]
fn a_new_incarnation_links_to_no_block() {
    let blocks = owners_journal();
    let mut follower = following(&blocks);
    let previous = blocks[3].header.hash();
    let linked = resigned(&forked(None), &OWNER, |fields| fields.previous = previous);
    let expected = FollowError::Link {
        height: 0,
        previous,
        expected: Id::ZERO,
    };
    assert_eq!(follower.step(&linked, &Fake), Err(expected));
    assert_eq!(follower, following(&blocks));
}

#[test]
fn a_new_incarnation_may_begin_at_an_earlier_time() {
    let mut follower = following(&owners_journal());
    let early = resigned(&forked(None), &OWNER, |fields| fields.time_ms = 1);
    assert_eq!(follower.step(&early, &Fake), Ok(Step::Began));
    assert_eq!(follower.time_ms(), 1);
    assert_eq!(follower.head(), Some(early.head()));
}
