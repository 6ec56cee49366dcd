//! A position says no more than what was read, and how much is read at once has limits.

use std::sync::Arc;

use kittengrad_journal::Journal;
use kittengrad_proto::signed::Signer as _;
use kittengrad_ring::Point;
use kittengrad_support::journals::{Fake, FakeKey, overlay};

use super::*;

const OWNER: FakeKey = FakeKey(1);

/// A journal whose blocks after the genesis all list the same transaction.
fn journal(blocks: usize) -> Vec<Block> {
    let mut journal = Journal::open(overlay(), Arc::new(OWNER), 7, None, &[]);
    let cut = |journal: &mut Journal, item: &Item| {
        journal.note(item);
        journal.cut(1, &mut Vec::new()).unwrap().block
    };
    let gap = Item::Gap {
        incarnation: 6,
        from_height: 0,
    };
    let listed = Item::Transaction {
        id: Id::of(&[b"a transaction"]),
        bitmap: Bitmap::new([true]),
    };
    let genesis = cut(&mut journal, &gap);
    let rest = (1..blocks).map(|_| cut(&mut journal, &listed));
    [genesis].into_iter().chain(rest).collect()
}

/// A reader of the journal that holds `held`.
fn following(held: &KeyRanges) -> Following {
    Following::new(OWNER.public(), None, held, Plants::NONE)
}

/// Accepts a block, whose transactions are all missing.
fn accept(following: &mut Following, block: &Block) {
    let hint = Bitmap::new([true]);
    let listed = following.accept(block, &hint, true, &Fake).unwrap();
    following.wait_for(listed.unwrap());
}

fn arc(from: u8, to: u8) -> KeyRange {
    KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
}

#[test]
fn a_position_does_not_count_for_arcs_that_were_gained_later() {
    let mut following = following(&arc(1, 5).into());
    following.hold(&arc(1, 9).into());
    let genesis = &journal(1)[0];
    accept(&mut following, genesis);
    assert!(following.has_reached(arc(1, 5), genesis.head()));
    assert!(!following.has_reached(arc(5, 9), genesis.head()));
}

#[test]
fn a_position_is_kept_even_if_the_connection_ends_before() {
    let mut following = following(&KeyRanges::whole());
    accept(&mut following, &journal(1)[0]);
    following.disconnect();
    assert!(following.take_dirty().is_some());
    assert!(following.take_dirty().is_none());
}

#[test]
fn no_blocks_are_asked_for_while_too_many_wait() {
    let blocks = journal(WAITING_BLOCKS_MAX + 1);
    let mut following = following(&KeyRanges::whole());
    let (last, others) = blocks.split_last().unwrap();
    for block in others {
        accept(&mut following, block);
    }
    assert!(
        following.ask(0, 1).is_some(),
        "the genesis waits for nothing"
    );
    accept(&mut following, last);
    assert!(following.ask(10, 1).is_none());
    following.resolve(&Id::of(&[b"a transaction"]), |_| true);
    assert!(following.ask(20, 1).is_some());
}
