//! Blocks and items at their limits, and what a refused one is told.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Bitmap, Block, BlockError, Cells, Header, Item, ItemError},
    id::Id,
    limits::{BLOCK_BYTES_MAX, ITEM_BYTES_MAX},
    merkle::Tree,
    wire::{self, item::Kind},
};
use kittengrad_ring::{KeyRange, Point};
use prost::Message as _;

use crate::samples::{TIME_MS, WORLD, fields, genesis, ordinary, overlay, whole};

/// A header that signs these items, whatever they are.
fn header(items: &[Bytes]) -> wire::Signed {
    let (mut fields, _) = fields(0, Id::ZERO, &[]);
    fields.item_count = items.len().try_into().unwrap();
    fields.items_root = Tree::new(items.iter().map(|item| &item[..])).root();
    let header = Header::sign(overlay(), &fields, &WORLD.peers[0].key);
    header.signed().to_wire()
}

fn read(items: Vec<Bytes>) -> Result<Block, BlockError> {
    Block::from_wire(Some(header(&items)), items, Vec::new(), overlay())
}

fn zeros(bytes: usize) -> Bytes {
    vec![0; bytes].into()
}

#[test]
fn a_block_has_no_more_bytes_than_allowed() {
    let count = BLOCK_BYTES_MAX / ITEM_BYTES_MAX;
    let with_last = |bytes| {
        let mut items = vec![zeros(ITEM_BYTES_MAX); count - 1];
        items.push(zeros(bytes));
        items
    };
    let wire = header(&with_last(0));
    let last = ITEM_BYTES_MAX - wire.body.len() - wire.signature.len();
    assert!(read(with_last(last)).is_ok());
    let refused = BlockError::TooLarge {
        height: 0,
        bytes: BLOCK_BYTES_MAX + 1,
    };
    assert_eq!(read(with_last(last + 1)), Err(refused));
}

#[test]
fn a_block_names_the_item_that_is_too_large() {
    assert!(read(vec![zeros(1), zeros(ITEM_BYTES_MAX)]).is_ok());
    let refused = BlockError::Item {
        height: 0,
        item: 1,
        error: ItemError::TooLarge(ITEM_BYTES_MAX + 1),
    };
    let items = vec![zeros(1), zeros(ITEM_BYTES_MAX + 1)];
    assert_eq!(read(items), Err(refused));
}

#[test]
fn a_block_names_the_first_item_that_is_malformed() {
    let gap = Item::Gap {
        incarnation: TIME_MS - 1_000,
        from_height: 42,
    };
    let expected = vec![Item::Hold(whole().into()), gap];
    assert_eq!(genesis().decode_items(), Ok(expected));
    let mut damaged = ordinary();
    damaged.items[1] = zeros(1);
    damaged.items[2] = zeros(2);
    match damaged.decode_items() {
        Err(BlockError::Item {
            height: 1,
            item: 1,
            error,
        }) => assert!(matches!(error, ItemError::Malformed(_)), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_item_is_read_up_to_its_limit_of_bytes() {
    let of_bits = |bytes| Item::Transaction {
        id: Id::ZERO,
        bitmap: Bitmap::from_bytes(vec![1; bytes].into()),
        cells: Cells::new([true]),
    };
    let head = of_bits(ITEM_BYTES_MAX / 2 + 1).encode().len() - (ITEM_BYTES_MAX / 2 + 1);
    let largest = of_bits(ITEM_BYTES_MAX - head);
    assert_eq!(largest.encode().len(), ITEM_BYTES_MAX);
    assert_eq!(Item::decode(&largest.encode()), Ok(largest));
    let beyond = of_bits(ITEM_BYTES_MAX - head + 1);
    let refused = ItemError::TooLarge(ITEM_BYTES_MAX + 1);
    assert_eq!(Item::decode(&beyond.encode()), Err(refused));
}

#[test]
fn an_item_without_whole_names_and_points_is_refused() {
    let arcs = |from, to| {
        vec![wire::Arc {
            from: zeros(from),
            to: zeros(to),
        }]
    };
    let arc = |from, to| wire::Arcs {
        arcs: arcs(from, to),
    };
    let dropped = |arcs, evidence| Kind::Drop(wire::Drop { arcs, evidence });
    let transaction = |bytes| {
        Kind::Transaction(wire::TransactionItem {
            id: zeros(bytes),
            bitmap: Bytes::from_static(&[1]),
            cells: Bytes::from_static(&[1]),
        })
    };
    let read = |kind| Item::decode(&wire::Item { kind: Some(kind) }.encode_to_vec().into());
    for whole in [
        Kind::Hold(arc(32, 32)),
        dropped(arcs(32, 32), Vec::new()),
        transaction(32),
    ] {
        assert!(read(whole).is_ok());
    }
    for part in [
        Kind::Hold(arc(31, 32)),
        Kind::Hold(arc(32, 33)),
        Kind::Settled(arc(0, 32)),
        Kind::Settled(arc(32, 0)),
        Kind::Settled(arc(31, 31)),
        dropped(arcs(32, 31), Vec::new()),
        dropped(arcs(32, 32), vec![wire::Signed::default()]),
        transaction(31),
    ] {
        let refused = read(part.clone());
        assert!(
            matches!(refused, Err(ItemError::Malformed(_))),
            "{part:?}: {refused:?}"
        );
    }
}

#[test]
fn the_whole_circle_of_an_item_is_written_from_zero() {
    let kinds = |byte: u8| {
        let point = Bytes::from(vec![byte; 32]);
        let arcs = vec![wire::Arc {
            from: point.clone(),
            to: point,
        }];
        let dropped = wire::Drop {
            arcs: arcs.clone(),
            evidence: Vec::new(),
        };
        let arcs = wire::Arcs { arcs };
        [
            Kind::Hold(arcs.clone()),
            Kind::Settled(arcs),
            Kind::Drop(dropped),
        ]
    };
    let bytes = |kind| Bytes::from(wire::Item { kind: Some(kind) }.encode_to_vec());
    for (zero, elsewhere) in kinds(0).into_iter().zip(kinds(7)) {
        let zero = bytes(zero);
        assert_eq!(Item::decode(&zero).unwrap().encode(), zero);
        let refused = Item::decode(&bytes(elsewhere));
        assert!(
            matches!(refused, Err(ItemError::Malformed(_))),
            "{refused:?}"
        );
    }
    // An owner that is alone holds the circle from the border of its cell.
    let point = Point::new([7; 32]);
    let alone = Item::Settled(KeyRange::new(point, point).into());
    assert_eq!(Item::decode(&alone.encode()), Ok(alone));
}
