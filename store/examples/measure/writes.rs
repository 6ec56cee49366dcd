//! The writes to commit: blocks of transactions with their elements and records.

use bytes::Bytes;
use kittengrad_journal::{Locator, StoredBlock, Write};
use kittengrad_proto::{
    block::{Block, Header, HeaderFields},
    id::{Id, PublicKey, RecordId},
    merkle::Tree,
    namespace::Overlay,
    signed::{SIGNATURE_BYTES, Signer},
    transaction::Element,
};
use kittengrad_store::Owner;

/// The writes of one block: `count` updates in transactions of 100, `per` updates on each canonical.
pub(crate) fn writes(height: u64, count: u64, per: u64, record_bytes: Option<usize>) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut items = Vec::new();
    let updates = height * count..(height + 1) * count;
    for (index, first) in (0..).zip(updates.clone().step_by(100)) {
        let numbers = first..(first + 100).min(updates.end);
        let mut transaction = vec![0_u8; 250];
        let at = Locator {
            incarnation: 1,
            height,
            index,
        };
        for number in numbers {
            let (canonical, update) = (canonical(number / per), update(number));
            if number % per == 0 {
                transaction.extend_from_slice(canonical.as_bytes());
            }
            transaction.extend_from_slice(update.as_bytes());
            writes.push(Write::Element(
                Element {
                    canonical,
                    update: Some(update),
                },
                at,
            ));
            if let Some(bytes) = record_bytes {
                writes.push(Write::Record(update, text(number, bytes)));
            }
        }
        let id = Id::of(&[b"transaction", &first.to_be_bytes()]);
        items.push(
            [
                &[10, 50, 10, 32],
                &id.as_bytes()[..],
                &[18, 13],
                &[0xff; 13],
            ]
            .concat()
            .into(),
        );
        writes.push(Write::Transaction(id, transaction.into()));
    }
    // In the order of a journal: other writes, then elements ascending.
    writes.sort_by_key(|write| match write {
        Write::Element(element, _) => Some(*element),
        _ => None,
    });
    writes.push(Write::Block(Box::new(block(height, items))));
    writes
}

pub(crate) fn block(height: u64, items: Vec<Bytes>) -> StoredBlock {
    let fields = HeaderFields {
        incarnation: 1,
        height,
        previous: Id::ZERO,
        time_ms: height,
        items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
        item_count: u32::try_from(items.len()).unwrap(),
        fork: None,
        checkpoint: None,
        hold: 0,
    };
    let header = Header::sign(&owner().overlay, &fields, &Unsigned);
    StoredBlock {
        block: Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        },
        offset: 0,
    }
}

pub(crate) fn canonical(number: u64) -> RecordId {
    RecordId::of(&[b"canonical", &number.to_be_bytes()[..]].concat())
}

pub(crate) fn update(number: u64) -> RecordId {
    RecordId::of(&number.to_be_bytes())
}

/// Text that compresses to about half, as records about works do.
pub(crate) fn text(number: u64, bytes: usize) -> Bytes {
    const WORDS: [&str; 16] = [
        "oil",
        "on",
        "canvas",
        "paper",
        "landscape",
        "portrait",
        "of",
        "the",
        "river",
        "bequeathed",
        "museum",
        "untitled",
        "study",
        "for",
        "1841",
        "graphite",
    ];
    let mut text = format!("{{\"id\":{number},\"title\":\"").into_bytes();
    let mut seed = number;
    while text.len() < bytes {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(WORDS[(seed >> 60) as usize].as_bytes());
        text.extend_from_slice(&[
            b' ',
            b'a' + (seed >> 40 & 15) as u8,
            b'a' + (seed >> 44 & 15) as u8,
        ]);
    }
    text.truncate(bytes);
    text.into()
}

pub(crate) struct Unsigned;

impl Signer for Unsigned {
    fn public(&self) -> PublicKey {
        PublicKey::new([1; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
        [1; SIGNATURE_BYTES]
    }
}

pub(crate) fn owner() -> Owner {
    let overlay = Overlay {
        network: Id::ZERO,
        namespace: "measure".parse().unwrap(),
    };
    Owner {
        overlay,
        key: Unsigned.public(),
    }
}
