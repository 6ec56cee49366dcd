//! Headers that no journal can have.

use kittengrad_proto::{
    block::{Block, BlockError, Head, Header, HeaderError, HeaderFields, Item},
    id::Id,
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, ITEM_BYTES_MAX},
    merkle::Tree,
};

use crate::samples::{TIME_MS, WORLD, fields, half, overlay};

fn check(what: &str, expected: bool, change: impl Fn(&mut HeaderFields)) {
    let (mut fields, _) = fields(0, Id::ZERO, &[Item::Hold(half())]);
    change(&mut fields);
    let wire = Header::sign(overlay(), &fields, &WORLD.peers[0].key)
        .signed()
        .to_wire();
    match Header::from_wire(Some(wire), overlay()) {
        Ok(_) => assert!(expected, "{what} was taken"),
        Err(HeaderError::Malformed(_)) => assert!(!expected, "{what} was refused"),
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn a_journal_forks_at_its_first_block() {
    let head = |incarnation| {
        Some(Head {
            incarnation,
            height: 3,
            hash: Id::ZERO,
        })
    };
    check("no fork", true, |_| {});
    check("a fork", true, |fields| fields.fork = head(TIME_MS - 1));
    check("a fork from itself", false, |fields| {
        fields.fork = head(TIME_MS)
    });
    check("a fork from the future", false, |fields| {
        fields.fork = head(u64::MAX)
    });
    check("a fork at height 1", false, |fields| {
        fields.height = 1;
        fields.fork = head(TIME_MS - 1);
    });
}

#[test]
fn a_header_claims_no_more_items_than_a_block_may_have() {
    let most = u32::try_from(BLOCK_ITEMS_MAX).unwrap();
    check("the most items", true, |fields| fields.item_count = most);
    check("no items", true, |fields| fields.item_count = 0);
    check("too many items", false, |fields| {
        fields.item_count = most + 1
    });
    check("items without end", false, |fields| {
        fields.item_count = u32::MAX
    });
}

#[test]
fn a_block_has_no_more_bytes_than_allowed() {
    let read = |count: usize| {
        let items = vec![vec![0; ITEM_BYTES_MAX].into(); count];
        let (mut fields, _) = fields(0, Id::ZERO, &[]);
        fields.item_count = count.try_into().unwrap();
        fields.items_root = Tree::new(items.iter().map(|item: &bytes::Bytes| &item[..])).root();
        let header = Header::sign(overlay(), &fields, &WORLD.peers[0].key)
            .signed()
            .to_wire();
        Block::from_wire(Some(header), items, overlay())
    };
    let most = BLOCK_BYTES_MAX / ITEM_BYTES_MAX;
    assert!(read(most - 1).is_ok());
    assert!(matches!(
        read(most),
        Err(BlockError::TooLarge { height: 0, .. })
    ));
}
