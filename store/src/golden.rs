//! Golden vectors: the rows of a store, compared with a file that never changes.

use bytes::Bytes;
use kittengrad_journal::{Locator, StoredBlock};
use kittengrad_proto::{
    block::{Block, Header, HeaderFields},
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    signed::{SIGNATURE_BYTES, Signer},
    transaction::Element,
};

use crate::{open, owner::Owner, rows};

const ROWS: &str = include_str!("../testdata/rows.txt");

/// The vector `name` in the file, in hexadecimal.
fn vector(name: &str) -> &'static str {
    let named = |line: &'static str| line.strip_prefix(name)?.strip_prefix(' ');
    ROWS.lines().find_map(named).unwrap()
}

fn check(bytes: impl AsRef<[u8]>, name: &str) {
    let bytes = bytes.as_ref().iter();
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, vector(name), "{name}");
}

/// Gives the same signature for everything. Rows store signatures and do not verify them.
struct Stamp;

impl Signer for Stamp {
    fn public(&self) -> PublicKey {
        PublicKey::new([0x11; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
        [0x5a; SIGNATURE_BYTES]
    }
}

fn overlay() -> Overlay {
    Overlay {
        network: Id::new([0x4e; 32]),
        namespace: "works".parse().unwrap(),
    }
}

fn stored() -> StoredBlock {
    let items = vec![Bytes::from_static(b"one"), Bytes::from_static(b"another")];
    let leaves = items.iter().map(|item| &item[..]);
    let fields = HeaderFields {
        incarnation: 1_780_000_000_000,
        height: 42,
        previous: Id::new([0xaa; 32]),
        time_ms: 1_780_000_000_123,
        items_root: kittengrad_proto::merkle::Tree::new(leaves).root(),
        item_count: 2,
        fork: None,
        checkpoint: None,
    };
    let header = Header::sign(&overlay(), &fields, &Stamp);
    let block = Block {
        header,
        items,
        through: kittengrad_proto::checkpoint::ThroughList::default(),
    };
    StoredBlock { block, offset: 5 }
}

#[test]
fn rows_have_the_bytes_that_they_always_had() {
    let canonical = RecordId::new([0xc1; 32]);
    let update = Some(RecordId::new([0xd2; 32]));
    let bare = Element {
        canonical,
        update: None,
    };
    check(rows::ElementKey::new(&bare), "element.bare.key");
    let element = Element { canonical, update };
    check(rows::ElementKey::new(&element), "element.update.key");
    let locator = Locator {
        incarnation: 1_780_000_000_000,
        height: 42,
        index: 7,
    };
    check(rows::locator_value(&locator), "element.value");
    check(rows::block_key(1_780_000_000_000, 42), "block.key");
    let value = rows::block_value(&stored());
    check(&value, "block.value");
    let read = rows::block((1_780_000_000_000, 42), value.into(), &overlay());
    assert_eq!(read, Ok(stored()));
    check(rows::versioned(&mut Vec::new(), b"bytes"), "other.value");

    let owner = Owner {
        overlay: overlay(),
        key: PublicKey::new([0x11; 32]),
    };
    check(open::OWNER_KEY, "meta.key");
    check(open::owner_value(&owner), "meta.value");
}
