//! The entries and updates that a transaction may list, and their order.

use bytes::Bytes;
use kittengrad_proto::{
    id::RecordId,
    limits::{TRANSACTION_BYTES_MAX, TRANSACTION_UPDATES_MAX},
    signed::{Kind, Signed},
    transaction::{Element, Entry, Transaction, TransactionError},
    wire,
};
use prost::Message as _;

use crate::samples::{WORLD, adds, entry, envelope, minimal, overlay, record, updates};

fn entries(count: u32, updates: u32, insert: bool) -> Vec<Entry> {
    let record = |number: u32| RecordId::of(&number.to_be_bytes());
    let updates = |canonical| (1..=updates).map(move |update| record(canonical * 10_000 + update));
    let entry = |number| Entry {
        canonical: record(number),
        insert,
        updates: updates(number).collect(),
    };
    (1..=count).map(entry).collect()
}

fn sign(entries: Vec<Entry>) -> Result<Transaction, TransactionError> {
    Transaction::sign(overlay(), &envelope(1), entries, &WORLD.publisher.key)
}

#[test]
fn a_transaction_respects_its_limits_exactly() {
    let full =
        |transaction: &Transaction| transaction.signed().body().len() <= TRANSACTION_BYTES_MAX;
    // One update in each of the most entries; the most updates beside the most inserts.
    let most = sign(entries(1_000, 1, true)).unwrap();
    assert!(full(&most));
    assert_eq!(most.elements().count(), TRANSACTION_UPDATES_MAX);
    let mut mixed = entries(999, 0, true);
    mixed.push(entries(1_000, 1_000, true).pop().unwrap());
    let mixed = sign(mixed).unwrap();
    assert!(full(&mixed));
    assert_eq!(mixed.elements().count(), 1_999);
    assert!(adds(&mixed, &[true; 1_999]).encode().len() < 300);

    for (what, of_entries, updates, count) in [
        ("entries", 1_001, 0, 1_001),
        ("updates", 1, 1_001, 1_001),
        ("updates", 2, 501, 1_002),
    ] {
        let max = 1_000;
        let refused = TransactionError::TooMany { what, count, max };
        assert_eq!(sign(entries(of_entries, updates, true)), Err(refused));
    }
}

#[test]
fn a_transaction_says_what_was_signed() {
    let sample = updates();
    assert_eq!(sample.publisher(), WORLD.publisher.public);
    assert_eq!(sample.envelope(), &envelope(2));
    let entries = [
        entry(0xc1, true, &[0x11, 0x22]),
        entry(0xc2, false, &[0x33]),
    ];
    assert_eq!(sample.entries(), entries);
    let element = |canonical, update: Option<u8>| Element {
        canonical: record(canonical),
        update: update.map(record),
    };
    let elements = [
        element(0xc1, Some(0x11)),
        element(0xc1, Some(0x22)),
        element(0xc2, Some(0x33)),
    ];
    assert!(sample.elements().eq(elements));
    assert!(minimal().elements().eq([element(0xc1, None)]));
    // Entries and their updates are signed in order, however they came.
    let turned = [
        entry(0xc2, false, &[0x33]),
        entry(0xc1, true, &[0x22, 0x11]),
    ];
    assert_eq!(sign(turned.into()).unwrap().entries(), entries);
}

type Change = fn(&mut wire::Transaction);

#[test]
fn the_entries_of_a_transaction_are_in_their_one_order() {
    let read = |change: Change| {
        let mut body = wire::Transaction::decode(updates().signed().body().clone()).unwrap();
        change(&mut body);
        let body = body.encode_to_vec();
        let signed = Signed::new(Kind::Transaction, body.into(), &WORLD.publisher.key);
        Transaction::from_wire(Some(signed.to_wire()), overlay())
    };
    assert_eq!(read(|_| {}), Ok(updates()));
    let cases: [(&str, Change); 9] = [
        ("entries turned", |body| body.entries.reverse()),
        ("an entry twice", |body| {
            body.entries[1] = body.entries[0].clone()
        }),
        ("no entries", |body| body.entries.clear()),
        ("an entry that says nothing", |body| {
            body.entries[1].updates.clear();
            body.entries[1].insert = 0;
        }),
        ("a raw block", |body| {
            body.entries[0].insert = wire::Insert::Raw.into()
        }),
        ("an unknown insert", |body| body.entries[0].insert = 3),
        ("a negative insert", |body| body.entries[0].insert = -1),
        ("updates turned", |body| {
            let updates = &body.entries[0].updates;
            body.entries[0].updates = [&updates[32..], &updates[..32]].concat().into();
        }),
        ("an update twice", |body| {
            let updates = &body.entries[0].updates;
            body.entries[0].updates = [&updates[..32], &updates[..32]].concat().into();
        }),
    ];
    for (what, change) in cases {
        let refused = read(change);
        assert!(
            matches!(refused, Err(TransactionError::Entry { .. })),
            "{what}: {refused:?}"
        );
    }
    let cases: [(&str, Change); 5] = [
        ("half an update", |body| {
            body.entries[0].updates.truncate(48)
        }),
        ("half a canonical", |body| {
            body.entries[0].canonical.truncate(16)
        }),
        ("half a publisher", |body| body.publisher.truncate(16)),
        ("half a chain", |body| body.chain.truncate(16)),
        ("no chain", |body| body.chain.clear()),
    ];
    for (what, change) in cases {
        let refused = read(change);
        assert!(
            matches!(refused, Err(TransactionError::Id(_))),
            "{what}: {refused:?}"
        );
    }
    let cases: [(&str, Change); 3] = [
        ("a short nonce", |body| body.nonce.truncate(15)),
        ("a long nonce", |body| body.nonce = vec![0; 17].into()),
        ("a stamp", |body| body.stamp = Bytes::from_static(b"x")),
    ];
    for (what, change) in cases {
        let refused = read(change);
        assert!(
            matches!(refused, Err(TransactionError::Malformed(_))),
            "{what}: {refused:?}"
        );
    }
    assert_eq!(
        read(|body| body.policy = 2),
        Err(TransactionError::Policy(2))
    );
}
