//! The rows for tests of stores: few names, so that writes meet, and names at the ends of their families.

use bytes::Bytes;
use kittengrad_journal::{Locator, RowKey, Write};
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::Element,
};
use kittengrad_ring::{KeyRange, Point};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::journals::stored_block;

/// Any write, one in five of them a removal.
pub(super) fn write() -> impl Strategy<Value = Write> {
    let removal = put().prop_map(|write| Write::Remove(write.key()));
    prop_oneof![4 => put(), 1 => removal]
}

fn put() -> impl Strategy<Value = Write> {
    let id = || select(digests().to_vec()).prop_map(Id::new);
    let record = || select(digests().to_vec()).prop_map(RecordId::new);
    let value =
        || (any::<u8>(), select(VALUE_BYTES.to_vec())).prop_map(|(byte, bytes)| vec![byte; bytes]);
    let value = move || value().prop_map(Bytes::from);
    let block = (
        select(INCARNATIONS.to_vec()),
        select(HEIGHTS.to_vec()),
        vec(
            value().prop_filter("an item has at most 4 KiB", |item| item.len() <= 4096),
            1..4,
        ),
        any::<u64>(),
    );
    prop_oneof![
        4 => (select(elements()), locator()).prop_map(|(element, at)| Write::Element(element, at)),
        2 => block.prop_map(|(i, h, items, offset)| Write::Block(Box::new(stored_block(i, h, items, offset)))),
        1 => (id(), value()).prop_map(|(id, bytes)| Write::Transaction(id, bytes)),
        1 => (record(), value()).prop_map(|(id, bytes)| Write::Record(id, bytes)),
        1 => (id(), value()).prop_map(|(id, bytes)| Write::Chain(id, bytes)),
        1 => (select(state_keys()), value()).prop_map(|(key, bytes)| Write::State(key, bytes)),
    ]
}

/// A write or a removal of an element, both equally often.
pub(super) fn element_write() -> impl Strategy<Value = Write> {
    (select(elements()), locator(), any::<bool>()).prop_map(|(element, locator, is_put)| {
        match is_put {
            true => Write::Element(element, locator),
            false => Write::Remove(RowKey::Element(element)),
        }
    })
}

fn locator() -> impl Strategy<Value = Locator> {
    (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(incarnation, height, index)| Locator {
        incarnation,
        height,
        index,
    })
}

/// Digests at the ends of the key space, and neighbours. Ascending.
pub(super) fn digests() -> [[u8; 32]; 6] {
    let mut one = [0; 32];
    one[31] = 1;
    let mut below_last = [0xff; 32];
    below_last[31] = 0xfe;
    let mut above_middle = [0x7f; 32];
    above_middle[31] = 0x80;
    [
        [0; 32],
        one,
        [0x7f; 32],
        above_middle,
        below_last,
        [0xff; 32],
    ]
}

/// All elements over these digests, ascending.
pub(super) fn elements() -> Vec<Element> {
    let mut elements = Vec::new();
    for canonical in digests().map(RecordId::new) {
        elements.push(Element {
            canonical,
            update: None,
        });
        let updates = digests().map(|update| Element {
            canonical,
            update: Some(RecordId::new(update)),
        });
        elements.extend(updates);
    }
    elements
}

/// All arcs between these digests: of one canonical, of none, through zero, and the whole circle from every point.
pub(super) fn arcs() -> Vec<KeyRange> {
    let points = digests().map(Point::new);
    let pairs = points.iter().flat_map(|from| points.map(|to| (*from, to)));
    pairs.map(|(from, to)| KeyRange::new(from, to)).collect()
}

/// Keys of small values, some of them prefixes of others. Ascending.
pub(super) fn state_keys() -> Vec<Bytes> {
    let keys: [&[u8]; 8] = [
        &[],
        &[0],
        &[1],
        &[1, 0],
        &[1, 0xff],
        &[1, 0xff, 0xff, 7],
        &[0xff],
        &[0xff, 0xff],
    ];
    keys.map(Bytes::copy_from_slice).to_vec()
}

/// Incarnations at the ends of their range, and a realistic one. Ascending.
pub(super) const INCARNATIONS: [u64; 4] = [0, 1, 1_795_000_000_000, u64::MAX];
/// Heights at the ends of their range. Ascending.
pub(super) const HEIGHTS: [u64; 4] = [0, 1, 2, u64::MAX];
/// Lengths around 1 KiB, from which on a store may keep values in another way.
const VALUE_BYTES: [usize; 6] = [0, 1, 300, 1022, 1023, 5000];
