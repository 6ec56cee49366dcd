//! Headers that no journal can have.

use kittengrad_proto::{
    block::{Head, Header, HeaderError, HeaderFields, Item},
    id::{Id, IdError},
    limits::BLOCK_ITEMS_MAX,
    signed::{Kind, Signed},
    wire,
};
use prost::Message as _;

use crate::samples::{TIME_MS, WORLD, fields, genesis, half, overlay};

fn check(what: &str, expected: bool, change: impl Fn(&mut HeaderFields)) {
    let (mut fields, _) = fields(0, Id::ZERO, &[Item::Hold(half().into())]);
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
fn a_header_refers_to_a_hold_up_to_its_own_block() {
    check("the own block", true, |fields| fields.hold = 0);
    check("a later block", false, |fields| fields.hold = 1);
    check("an earlier block", true, |fields| {
        (fields.height, fields.hold) = (7, 3);
    });
    check("the last block", true, |fields| {
        (fields.height, fields.hold) = (7, 7);
    });
    check("the next block", false, |fields| {
        (fields.height, fields.hold) = (7, 8);
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
fn a_header_names_its_peer_and_hashes_in_32_bytes() {
    let changed = |change: fn(&mut wire::BlockHeader)| {
        let mut body = wire::BlockHeader::decode(genesis().header.signed().body().clone()).unwrap();
        change(&mut body);
        let body = body.encode_to_vec().into();
        let signed = Signed::new(Kind::Block, body, &WORLD.peers[0].key);
        Header::from_wire(Some(signed.to_wire()), overlay())
    };
    assert_eq!(changed(|_| {}), Ok(genesis().header));
    let half = |what| HeaderError::Id(IdError::Length { what, bytes: 16 });
    let refused = changed(|body| body.peer.truncate(16));
    assert_eq!(refused, Err(half("a public key")));
    let cases: [fn(&mut wire::BlockHeader); 3] = [
        |body| body.previous.truncate(16),
        |body| body.items_root.truncate(16),
        |body| body.fork.as_mut().unwrap().hash.truncate(16),
    ];
    for cut in cases {
        assert_eq!(changed(cut), Err(half("an id")));
    }
}
