//! Small values with an unknown version or a wrong length are damage, and are not read.

use bytes::Bytes;
use kittengrad_journal::{
    Follower, MemoryStore, StateError, Write, applied, keep_applied, keep_chain, publisher_chain,
};
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    id::{Id, PublicKey},
};
use kittengrad_ring::KeyRanges;

const SUBJECT: PublicKey = PublicKey::new([0x11; 32]);

fn position() -> Write {
    let head = Head {
        incarnation: 7,
        height: 42,
        hash: Id::new([0xaa; 32]),
    };
    let follower = Follower::after(SUBJECT, head, 1_000);
    keep_applied(&follower, &KeyRanges::whole()).unwrap()
}

fn vouched() -> [Write; 2] {
    let certificates = [&b"leaf"[..], b"level-0"].map(Bytes::from_static);
    keep_chain(&Chain::from_der(certificates.to_vec()).unwrap(), SUBJECT)
}

/// Copies of a value with another version or another length. All are refused.
fn damaged(value: &Bytes) -> Vec<Bytes> {
    let versions = [0, 3, 0xff].map(|version| [&[version], &value[1..]].concat());
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
        applied(store, SUBJECT, &KeyRanges::EMPTY).map(|applied| applied.is_some())
    });
}

#[test]
fn a_publishers_chain_of_another_version_or_length_is_damage() {
    check(&vouched(), |store| {
        publisher_chain(store, SUBJECT).map(|chain| chain.is_some())
    });
}
