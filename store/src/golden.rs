//! Golden vectors: the rows of a store, compared with a file that never changes.

use bytes::Bytes;
use kittengrad_journal::{Locator, StoredBlock};
use kittengrad_proto::{
    block::{Block, Head, Header, HeaderFields},
    checkpoint::{Checkpoint, Holdings, Through, ThroughList},
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    signed::{SIGNATURE_BYTES, Signer},
    transaction::Element,
};
use kittengrad_ring::KeyRanges;

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

/// A checkpoint with one position beside it.
fn checkpoint() -> (Checkpoint, ThroughList) {
    let head = Head {
        incarnation: 1_780_000_000_000,
        height: 9,
        hash: Id::new([0xcc; 32]),
    };
    let position = Through { head, arcs: None };
    let through: ThroughList = [(PublicKey::new([0x22; 32]), position)]
        .into_iter()
        .collect();
    let whole = KeyRanges::whole();
    let checkpoint = Checkpoint {
        height: 41,
        ring: Id::new([0x77; 32]),
        holds: Holdings::new(&whole, &whole),
        blocks: 42,
        blocks_root: Id::new([0xbb; 32]),
        through_root: through.root(),
    };
    (checkpoint, through)
}

fn stored(checkpoint: Option<(Checkpoint, ThroughList)>) -> StoredBlock {
    let (checkpoint, through) = checkpoint.unzip();
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
        checkpoint,
        hold: 0,
    };
    let header = Header::sign(&overlay(), &fields, &Stamp);
    let block = Block {
        header,
        items,
        through: through.unwrap_or_default(),
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
    for (stored, name) in [
        (stored(None), "block.value"),
        (stored(Some(checkpoint())), "block.through.value"),
    ] {
        let value = rows::block_value(&stored);
        check(&value, name);
        let read = rows::block((1_780_000_000_000, 42), value.into(), &overlay());
        assert_eq!(read, Ok(stored));
    }
    check(rows::versioned(&mut Vec::new(), b"bytes"), "other.value");

    let owner = Owner {
        overlay: overlay(),
        key: PublicKey::new([0x11; 32]),
    };
    check(open::OWNER_KEY, "meta.key");
    check(open::owner_value(&owner), "meta.value");
}
