//! Golden vectors: the state that a journal keeps besides its blocks, in a file that never changes.

use bytes::Bytes;
use kittengrad_journal::{
    Applied, Follower, MemoryStore, StoreError, Write, applied, chain, holds, keep_applied,
    keep_chain, keep_holds, publisher_chain,
};
use kittengrad_proto::{
    block::{Head, Holds},
    certificate::Chain,
    id::{Id, PublicKey},
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};

const STATE: &str = include_str!("../../testdata/state.txt");

/// The value of `name` in the file, in hexadecimal.
fn vector(name: &str) -> &'static str {
    let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    STATE.lines().find_map(named).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_state(write: &Write, name: &str) {
    let Write::State(key, value) = write else {
        panic!("{write:?} is not a state")
    };
    assert_eq!(hex(key), vector(&format!("{name}.key")));
    assert_eq!(hex(value), vector(&format!("{name}.value")));
}

#[test]
fn the_state_of_a_journal_has_the_bytes_that_it_always_had() {
    let (journal, publisher) = (PublicKey::new([0x11; 32]), PublicKey::new([0x22; 32]));
    let head = Head {
        incarnation: 1_780_000_000_000,
        height: 42,
        hash: Id::new([0xaa; 32]),
    };
    let arc = |from, to| KeyRange::new(Point::new([from; 32]), Point::new([to; 32]));
    let owners = Holds::new(vec![arc(1, 2), arc(2, 3)]).unwrap();
    let follower = Follower::after(journal, head, 1_780_000_000_123);
    let unknown = follower.clone();
    let follower = follower
        .holding(Some(owners.clone()))
        .holding_since(Some(17));
    let certificates = [&b"leaf"[..], b"level-0"].map(Bytes::from_static);
    let certified = Chain::from_der(certificates.to_vec()).unwrap();

    let held = KeyRanges::from_iter([arc(1, 2)]);
    let position = keep_applied(&unknown, &held).unwrap();
    check_state(&position, "applied.unknown");
    let position = keep_applied(&follower, &held).unwrap();
    check_state(&position, "applied");
    let own = keep_holds(head.incarnation, &owners);
    check_state(&own, "holds");
    let [kept, vouched] = keep_chain(&certified, publisher);
    check_state(&vouched, "publisher");
    let Write::Chain(id, bytes) = &kept else {
        panic!("{kept:?} is not a chain")
    };
    assert_eq!(hex(id.as_bytes()), vector("chain.id"));
    assert_eq!(hex(bytes), vector("chain"));

    let id = *id;
    let mut store = MemoryStore::default();
    store.commit(vec![position, kept, vouched, own]);
    assert_eq!(holds(&store, head.incarnation), Ok(owners));
    let found = applied(&store, journal).unwrap();
    assert_eq!(found, Some(Applied { follower, held }));
    assert_eq!(chain(&store, &id), Ok(Some(certified.clone())));
    assert_eq!(publisher_chain(&store, publisher), Ok(Some(certified)));
}

/// Checks that the arcs held are damage as they are in the store, with an expected word.
#[track_caller]
fn check_damaged(store: &MemoryStore, incarnation: u64, why: &str) {
    match holds(store, incarnation) {
        Err(StoreError::Damaged(found)) => assert!(found.ends_with(why), "{found}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn held_arcs_in_another_form_are_damage() {
    let mut store = MemoryStore::default();
    check_damaged(&store, 7, "missing");
    let write = keep_holds(7, &Holds::whole());
    store.commit(vec![write.clone()]);
    assert_eq!(holds(&store, 7), Ok(Holds::whole()));
    check_damaged(&store, 8, "of another incarnation");
    let Write::State(key, value) = write else {
        panic!("it is a state")
    };
    let version = [&[2], &value[1..]].concat();
    let longer = [&value[..], &[0]].concat();
    let twice = [&value[..], &value[9..]].concat();
    for damaged in [&value[..8], &version, &longer, &twice] {
        let damaged = Bytes::copy_from_slice(damaged);
        store.commit(vec![Write::State(key.clone(), damaged)]);
        check_damaged(&store, 7, "unreadable");
    }
}
