//! Small values with an unknown version or a wrong length are damage, and are not read.

use bytes::Bytes;
use kittengrad_journal::{
    Applied, Follower, MemoryStore, StateError, StoreError, Write, applied, chain, keep_applied,
    keep_chain, publisher_chain,
};
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    id::{Id, PublicKey},
};
use kittengrad_ring::{KeyRange, KeyRanges, Point};

const SUBJECT: PublicKey = PublicKey::new([0x11; 32]);

fn position() -> Write {
    keep_applied(&follower(), &KeyRanges::whole()).unwrap()
}

fn follower() -> Follower {
    let head = Head {
        incarnation: 7,
        height: 42,
        hash: Id::new([0xaa; 32]),
    };
    Follower::after(SUBJECT, head, 1_000)
}

fn vouched() -> [Write; 2] {
    let certificates = [&b"leaf"[..], b"level-0"].map(Bytes::from_static);
    keep_chain(&Chain::from_der(certificates.to_vec()).unwrap(), SUBJECT)
}

/// Copies of a value with another version or another length. All are refused.
fn damaged(value: &Bytes) -> Vec<Bytes> {
    let versions = [0, 3, 5, 0xff].map(|version| [&[version], &value[1..]].concat());
    let lengths = [0, 1, value.len() - 1].map(|bytes| value[..bytes].to_vec());
    let longer = [&value[..], &[0]].concat();
    let all = versions.into_iter().chain(lengths).chain([longer]);
    all.map(Bytes::from).collect()
}

/// Checks that each damaged value is refused, with its version and length in the error.
fn check(writes: &[Write], read: impl Fn(&MemoryStore) -> Result<bool, StateError>) {
    let mut store = MemoryStore::default();
    store.commit(writes.to_vec());
    assert_eq!(read(&store), Ok(true));
    let Some(Write::State(key, value)) = writes.last() else {
        panic!("{writes:?} do not end with a state")
    };
    for value in damaged(value) {
        store.commit(vec![Write::State(key.clone(), value.clone())]);
        let refused = StateError::Form {
            key: SUBJECT,
            version: value.first().copied().unwrap_or_default(),
            bytes: value.len(),
        };
        assert_eq!(read(&store), Err(refused));
    }
}

#[test]
fn a_position_of_another_version_or_length_is_damage() {
    check(&[position()], |store| {
        applied(store, SUBJECT).map(|applied| applied.is_some())
    });
}

#[test]
fn a_publishers_chain_of_another_version_or_length_is_damage() {
    check(&vouched(), |store| {
        publisher_chain(store, SUBJECT).map(|chain| chain.is_some())
    });
}

#[test]
fn a_position_of_an_older_version_is_damage() {
    let Write::State(key, value) = position() else {
        panic!("a position is a state")
    };
    let mut store = MemoryStore::default();
    for version in [1, 2] {
        let old = [&[version], &value[1..]].concat();
        store.commit(vec![Write::State(key.clone(), old.into())]);
        let refused = StateError::Form {
            key: SUBJECT,
            version,
            bytes: value.len(),
        };
        assert_eq!(applied(&store, SUBJECT), Err(refused));
    }
}

#[test]
fn a_position_keeps_every_arc_that_was_held() {
    let at = |byte| Point::new([byte; 32]);
    let arcs = [(0x10, 0x20), (0x30, 0x40), (0xf0, 0x08)];
    let held: KeyRanges = arcs
        .into_iter()
        .map(|(from, to)| KeyRange::new(at(from), at(to)))
        .collect();
    for held in [held, KeyRanges::EMPTY] {
        let mut store = MemoryStore::default();
        store.commit(keep_applied(&follower(), &held).into_iter().collect());
        let found = applied(&store, SUBJECT);
        let follower = follower();
        assert_eq!(found, Ok(Some(Applied { follower, held })));
    }
}

#[test]
fn a_position_and_a_chain_of_one_key_are_two_values() {
    let mut store = MemoryStore::default();
    store.commit(vouched().into());
    store.commit(vec![position()]);
    let found = applied(&store, SUBJECT).unwrap();
    assert_eq!(found.map(|found| found.follower), Some(follower()));
    assert!(publisher_chain(&store, SUBJECT).unwrap().is_some());
}

#[test]
fn a_chain_that_was_not_kept_is_not_found() {
    let [kept, vouched] = vouched();
    let Write::Chain(id, _) = &kept else {
        panic!("{kept:?} is not a chain")
    };
    let mut store = MemoryStore::default();
    assert_eq!(publisher_chain(&store, SUBJECT), Ok(None));
    assert_eq!(chain(&store, id), Ok(None));
    store.commit(vec![vouched]);
    assert_eq!(publisher_chain(&store, SUBJECT), Ok(None));
    store.commit(vec![kept.clone()]);
    assert!(publisher_chain(&store, SUBJECT).unwrap().is_some());
    assert_eq!(chain(&store, &Id::ZERO), Ok(None));
    assert_eq!(
        publisher_chain(&store, PublicKey::new([0x22; 32])),
        Ok(None)
    );
}

#[test]
fn a_chain_that_cannot_be_read_is_damage() {
    let [kept, vouched] = vouched();
    let Write::Chain(id, _) = kept else {
        panic!("{kept:?} is not a chain")
    };
    let mut store = MemoryStore::default();
    store.commit(vec![vouched]);
    for bytes in [&b""[..], b"?"] {
        store.commit(vec![Write::Chain(id, Bytes::from_static(bytes))]);
        for read in [chain(&store, &id), publisher_chain(&store, SUBJECT)] {
            let is_damage = matches!(read, Err(StateError::Store(StoreError::Damaged(_))));
            assert!(is_damage, "{read:?}");
        }
    }
}
