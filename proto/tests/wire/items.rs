//! Items in their place: a journal says what its owner holds, and each item which of these cells it touches.

use bytes::Bytes;
use kittengrad_proto::{
    block::{Bitmap, Block, BlockError, Cells, CellsError, Holds, Item, ItemError},
    id::{Id, RecordId},
    transaction::{Entry, Transaction},
};
use kittengrad_ring::{KeyRange, Point};
use proptest::{collection::vec, prelude::*};

use crate::samples::{WORLD, block, overlay, transaction};

fn arc(from: u8, to: u8) -> KeyRange {
    KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
}

/// Three cells; the last runs on past zero.
fn holds() -> Holds {
    Holds::new(vec![arc(0x10, 0x50), arc(0x50, 0x90), arc(0xd0, 0x08)]).unwrap()
}

/// A bare insert of each of these canonicals.
fn inserts(canonicals: &[u8]) -> Transaction {
    let entry = |canonical: &u8| Entry {
        canonical: RecordId::new([*canonical; 32]),
        insert: true,
        updates: Vec::new(),
    };
    transaction(1, canonicals.iter().map(entry).collect())
}

fn listed(cells: &[bool]) -> Item {
    Item::Transaction {
        id: Id::new([0xa1; 32]),
        bitmap: Bitmap::new([true]),
        cells: Cells::new(cells.iter().copied()),
    }
}

/// Checks the items of a block at a height, after which `before` was held.
fn check(height: u64, before: Option<Holds>, items: &[Item]) -> Result<Option<Holds>, BlockError> {
    let block = block(&WORLD.peers[0], height, Id::ZERO, items);
    block.check_items(items, before.as_ref())
}

fn item<T>(height: u64, item: usize, error: impl Into<ItemError>) -> Result<T, BlockError> {
    let error = error.into();
    Err(BlockError::Item {
        height,
        item,
        error,
    })
}

#[test]
fn a_first_block_says_what_its_owner_holds() {
    let gap = || Item::Gap {
        incarnation: 1,
        from_height: 2,
    };
    let hold = || Item::Hold(holds());
    assert_eq!(check(0, None, &[hold(), gap()]), Ok(Some(holds())));
    let no_hold = Err(BlockError::NoHold { height: 0 });
    assert_eq!(check(0, None, &[gap()]), no_hold);
    assert_eq!(
        check(0, Some(holds()), &[gap()]),
        no_hold,
        "an incarnation before this one does not count"
    );
    let nothing = Holds::default();
    let sealed = check(3, Some(holds()), &[Item::Hold(nothing.clone())]);
    assert_eq!(sealed, Ok(Some(nothing)));
}

#[test]
fn a_hold_is_the_first_item_of_its_block() {
    let items = [listed(&[true, false, false]), Item::Hold(holds())];
    assert_eq!(
        check(3, Some(holds()), &items),
        item(3, 1, ItemError::LateHold)
    );
    let twice = [Item::Hold(holds()), Item::Hold(holds())];
    assert_eq!(check(0, None, &twice), item(0, 1, ItemError::LateHold));
}

#[test]
fn cells_are_those_of_the_last_hold() {
    let touches_last = listed(&[false, false, true]);
    let after = check(3, Some(holds()), std::slice::from_ref(&touches_last));
    assert_eq!(after, Ok(Some(holds())));
    let whole = [Item::Hold(Holds::whole()), touches_last.clone()];
    let padding = CellsError::Padding(1);
    assert_eq!(check(3, Some(holds()), &whole), item(3, 1, padding));
    let long = listed(&[true; 9]);
    let length = CellsError::Length { bytes: 2, arcs: 3 };
    assert_eq!(check(3, Some(holds()), &[long]), item(3, 0, length));
    // A reader that began in the middle knows no hold yet.
    assert_eq!(check(3, None, &[touches_last]), Ok(None));
}

#[test]
fn arcs_are_settled_while_they_are_held() {
    let settled = |arc: KeyRange| [Item::Settled(arc.into())];
    let inside = check(3, Some(holds()), &settled(arc(0x20, 0x80)));
    assert_eq!(inside, Ok(Some(holds())));
    let beyond = arc(0x20, 0xa0);
    let unheld = ItemError::SettlesUnheld(beyond);
    assert_eq!(
        check(3, Some(holds()), &settled(beyond)),
        item(3, 0, unheld)
    );
    let dropped = |arc: KeyRange| [Item::Drop(arc.into())];
    let outside = check(3, Some(holds()), &dropped(arc(0x90, 0xd0)));
    assert_eq!(outside, Ok(Some(holds())));
    let held = ItemError::DropsHeld(arc(0x20, 0x90));
    let overlapping = dropped(arc(0x20, 0xa0));
    assert_eq!(check(3, Some(holds()), &overlapping), item(3, 0, held));
}

#[test]
fn a_block_that_says_nothing_is_refused() {
    let empty = block(&WORLD.peers[0], 3, Id::ZERO, &[]);
    let header = Some(empty.header.signed().to_wire());
    let refused = Block::from_wire(header, Vec::new(), Vec::new(), overlay());
    assert_eq!(refused, Err(BlockError::Empty { height: 3 }));
    assert_eq!(
        empty.check_items(&[], None),
        Err(BlockError::Empty { height: 3 })
    );
}

#[test]
fn an_item_that_says_nothing_is_refused() {
    let of = |bits: bool, cells: bool| Item::Transaction {
        id: Id::new([0xa1; 32]),
        bitmap: Bitmap::new([bits]),
        cells: Cells::new([cells]),
    };
    let decode = |item: Item| Item::decode(&item.encode()).map(|_| ());
    assert_eq!(decode(of(true, true)), Ok(()));
    assert_eq!(decode(of(false, true)), Err(ItemError::Empty));
    assert_eq!(decode(of(true, false)), Err(ItemError::Empty));
    for arcs in [Item::Settled, Item::Drop] {
        let nothing = arcs(std::iter::empty().collect());
        assert_eq!(decode(nothing), Err(ItemError::Empty));
    }
    assert_eq!(decode(Item::Hold(Holds::default())), Ok(()));
}

#[test]
fn arcs_of_an_item_that_overlap_are_refused() {
    // The fields of an item that have arcs, with as many overlapping ones: hold, settled, drop.
    for field in [2_u8, 3, 4] {
        let mut arcs = Vec::new();
        for (from, to) in [(1_u8, 5_u8), (4, 9)] {
            let ends = [&[10, 32][..], &[from; 32], &[18, 32], &[to; 32]].concat();
            arcs.extend([10, 68]);
            arcs.extend(ends);
        }
        let length = [u8::try_from(arcs.len() & 0x7f).unwrap() | 0x80, 1];
        let bytes = [&[field << 3 | 2][..], &length, &arcs].concat();
        assert!(Item::decode(&Bytes::from(bytes)).is_err(), "{field}");
    }
}

#[test]
fn transaction_refutes_a_wrong_cell_bit() {
    let transaction = inserts(&[0x20, 0x30, 0xe0]);
    let check = |added: [bool; 3], cells: [bool; 3]| {
        holds().check(&transaction, &Bitmap::new(added), &Cells::new(cells))
    };
    assert_eq!(check([true; 3], [true, false, true]), Ok(()));
    assert_eq!(check([true, true, false], [true, false, false]), Ok(()));
    let hidden = Err(CellsError::Hidden(2));
    assert_eq!(check([true; 3], [true, false, false]), hidden);
    assert_eq!(check([true; 3], [true; 3]), Err(CellsError::Claimed(1)));
    let long = Bitmap::new([true; 9]);
    let cells = Cells::new([true, false, true]);
    let refused = holds().check(&transaction, &long, &cells);
    assert!(matches!(refused, Err(CellsError::Bitmap(_))), "{refused:?}");
}

#[test]
fn an_element_outside_of_the_held_arcs_is_refused() {
    let check = |canonicals: &[u8], added: &[bool]| {
        let transaction = inserts(canonicals);
        let cells = Cells::new([true, false, false]);
        holds().check(&transaction, &Bitmap::new(added.to_vec()), &cells)
    };
    let unheld = CellsError::Unheld(RecordId::new([0xa0; 32]));
    assert_eq!(check(&[0x20, 0xa0], &[true, true]), Err(unheld));
    assert_eq!(check(&[0x20, 0xa0], &[true, false]), Ok(()));
}

proptest! {
    #[test]
    fn the_cells_of_an_owner_pass_its_own_check(
        borders in prop::collection::btree_set(any::<u8>(), 2..12),
        canonicals in prop::collection::btree_set(any::<u8>(), 1..20),
        bits in vec(any::<bool>(), 20),
    ) {
        let borders: Vec<_> = borders.into_iter().collect();
        let mut arcs: Vec<_> = borders.windows(2).map(|ends| arc(ends[0], ends[1])).collect();
        // The arc past zero is held too.
        arcs.push(arc(borders[borders.len() - 1], borders[0]));
        let holds = Holds::new(arcs.clone()).unwrap();
        let canonicals: Vec<_> = canonicals.into_iter().collect();
        let transaction = inserts(&canonicals);
        let added = Bitmap::new(bits[..canonicals.len()].iter().copied());
        let elements: Vec<_> = transaction.elements().collect();
        let listed: Vec<_> = (0..elements.len()).filter(|i| added.is_set(*i)).map(|i| elements[i]).collect();
        let cells = holds.cells(&listed);
        for (number, arc) in arcs.iter().enumerate() {
            let is_touched = listed.iter().any(|element| arc.contains(element.canonical.point()));
            prop_assert_eq!(cells.is_set(number), is_touched);
        }
        let is_right = holds.check(&transaction, &added, &cells).is_ok();
        prop_assert_eq!(is_right, !listed.is_empty());
        for wrong in 0..arcs.len() {
            let flipped = (0..arcs.len()).map(|arc| cells.is_set(arc) != (arc == wrong));
            prop_assert!(holds.check(&transaction, &added, &Cells::new(flipped)).is_err());
        }
    }
}
