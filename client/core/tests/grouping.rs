//! Groups of a bulk load: their entries, their limits and their holders.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use kittengrad_client_core::grouping::{Group, Limits, Want, group};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::{RECORD_BYTES_MAX, SUBMISSION_BYTES_MAX},
    transaction::Entry,
};
use kittengrad_ring::{Replicas, Ring};

fn ring(members: u8) -> Ring {
    let points = (0..members).map(|byte| PublicKey::new([byte; 32]).point());
    Ring::new(points, Replicas::default()).unwrap()
}

fn id(number: u16) -> RecordId {
    RecordId::of(&number.to_be_bytes())
}

/// A draft about a canonical; updates are numbers and bytes.
fn want(canonical: u16, insert: bool, updates: &[(u16, usize)]) -> Want {
    let updates = updates.iter().map(|(number, bytes)| (id(*number), *bytes));
    Want {
        canonical: id(canonical),
        insert: insert.then_some(50),
        updates: updates.collect(),
    }
}

#[test]
fn drafts_of_one_canonical_are_one_entry() {
    let [insert, first, second] = [
        want(1, true, &[]),
        want(1, false, &[(2, 300), (3, 300)]),
        want(1, false, &[(3, 300), (4, 300)]),
    ];
    for wants in [
        [insert.clone(), first.clone(), second.clone()],
        [second, first, insert],
    ] {
        let groups = group(&ring(5), wants, Limits::default()).unwrap();
        let mut updates = vec![id(2), id(3), id(4)];
        updates.sort();
        let entry = Entry {
            canonical: id(1),
            insert: true,
            updates,
        };
        assert_eq!((groups.len(), &groups[0].entries), (1, &vec![entry]));
    }
    let without = group(&ring(5), [want(1, false, &[(2, 300)])], Limits::default());
    assert!(!without.unwrap()[0].entries[0].insert);
}

#[test]
fn limits_of_a_group_are_those_of_a_transaction_at_most() {
    let small: Vec<_> = (0..2_500).map(|number| (number, 300)).collect();
    let large: Vec<_> = (0..130).map(|number| (number, RECORD_BYTES_MAX)).collect();
    for (updates, updates_max, bytes_max, sizes) in [
        (&small[..], usize::MAX, usize::MAX, vec![1_000, 1_000, 500]),
        (&large[..], usize::MAX, usize::MAX, vec![63, 63, 4]),
        // A group has space for one update and the canonical, both of the largest size.
        (&small[..3], 1_000, 0, vec![3]),
        (&large[..2], 1_000, 0, vec![1, 1]),
        (&small[..2], 0, usize::MAX, vec![1, 1]),
    ] {
        let limits = Limits {
            updates_max,
            bytes_max,
        };
        let groups = group(&ring(5), [want(1, false, updates)], limits).unwrap();
        let found: Vec<_> = groups.iter().map(Group::updates).collect();
        assert_eq!(found, sizes);
    }
}

#[test]
fn a_group_is_filled_to_its_last_byte() {
    let updates: Vec<_> = (0..5).map(|number| (number, 60_000)).collect();
    let of = |bytes_max| {
        let limits = Limits {
            bytes_max,
            ..Limits::default()
        };
        let wants = [want(1, true, &updates[..4]), want(2, true, &updates[4..])];
        group(&ring(3), wants, limits).unwrap()
    };
    let whole = of(SUBMISSION_BYTES_MAX);
    assert_eq!(whole.len(), 1);
    let bytes = whole[0].bytes;
    assert_eq!(of(bytes).len(), 1);
    let parts = of(bytes - 1);
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.bytes < bytes));
    let updates = parts.iter().map(Group::updates).sum::<usize>();
    assert_eq!(updates, 5);
}

#[test]
fn holders_are_the_replicas_from_the_owner_on() {
    let ring = ring(9);
    let wants = (0..100).map(|number| want(number, true, &[]));
    for group in group(&ring, wants, Limits::default()).unwrap() {
        let owner = ring.owner(group.entries[0].canonical.point());
        assert_eq!(group.holders, ring.replicas(owner));
        assert_eq!((group.holders[0], group.holders.len()), (owner, 3));
    }
}
