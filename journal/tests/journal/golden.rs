//! Golden vectors: the state that a journal keeps besides its blocks, in a file that never changes.

use bytes::Bytes;
use kittengrad_journal::{
    Applied, Follower, MemoryStore, Write, applied, chain, keep_applied, keep_chain,
    publisher_chain,
};
use kittengrad_proto::{
    block::Head,
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
    let follower = Follower::after(journal, head, 1_780_000_000_123);
    let certificates = [&b"leaf"[..], b"level-0"].map(Bytes::from_static);
    let certified = Chain::from_der(certificates.to_vec()).unwrap();

    let held = KeyRanges::from_iter([KeyRange::new(Point::new([1; 32]), Point::new([2; 32]))]);
    let position = keep_applied(&follower, &held).unwrap();
    check_state(&position, "applied");
    let [kept, vouched] = keep_chain(&certified, publisher);
    check_state(&vouched, "publisher");
    let Write::Chain(id, bytes) = &kept else {
        panic!("{kept:?} is not a chain")
    };
    assert_eq!(hex(id.as_bytes()), vector("chain.id"));
    assert_eq!(hex(bytes), vector("chain"));

    let id = *id;
    let mut store = MemoryStore::default();
    store.commit(vec![position, kept, vouched]);
    let found = applied(&store, journal, &KeyRanges::EMPTY).unwrap();
    assert_eq!(found, Some(Applied { follower, held }));
    assert_eq!(chain(&store, &id), Ok(Some(certified.clone())));
    assert_eq!(publisher_chain(&store, publisher), Ok(Some(certified)));
}

#[test]
fn position_without_arcs_vouches_for_what_is_held_now() {
    let journal = PublicKey::new([0x11; 32]);
    let bytes = |name: &str| -> Bytes {
        let digits = vector(name).as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    };
    let mut store = MemoryStore::default();
    let old = Write::State(bytes("applied.key"), bytes("applied.without-arcs"));
    store.commit(vec![old]);
    let found = applied(&store, journal, &KeyRanges::whole())
        .unwrap()
        .unwrap();
    assert_eq!(found.held, KeyRanges::whole());
    let head = found.follower.head().unwrap();
    assert_eq!((head.incarnation, head.height), (1_780_000_000_000, 42));
    assert_eq!(found.follower.time_ms(), 1_780_000_000_123);
}
