//! Golden vectors: what a journal keeps beside its blocks, in a file that never changes.

use bytes::Bytes;
use kittengrad_journal::{
    Follower, MemoryStore, Write, applied, chain, keep_applied, keep_chain, publisher_chain,
};
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    id::{Id, PublicKey},
};

const STATE: &str = include_str!("../../testdata/state.txt");

/// What the file has under `name`, in hexadecimal.
fn vector(name: &str) -> &'static str {
    let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    STATE.lines().find_map(named).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_state(write: &Write, name: &str) {
    let Write::State(key, value) = write else {
        panic!("{write:?} is no state")
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

    let position = keep_applied(&follower).unwrap();
    check_state(&position, "applied");
    let [kept, vouched] = keep_chain(&certified, publisher);
    check_state(&vouched, "publisher");
    let Write::Chain(id, bytes) = &kept else {
        panic!("{kept:?} is no chain")
    };
    assert_eq!(hex(id.as_bytes()), vector("chain.id"));
    assert_eq!(hex(bytes), vector("chain"));

    let id = *id;
    let mut store = MemoryStore::default();
    store.commit(vec![position, kept, vouched]);
    let found = applied(&store, journal).unwrap().unwrap();
    assert_eq!(
        (found.head(), found.time_ms()),
        (Some(head), 1_780_000_000_123)
    );
    assert_eq!(chain(&store, &id), Ok(Some(certified.clone())));
    assert_eq!(publisher_chain(&store, publisher), Ok(Some(certified)));
}
