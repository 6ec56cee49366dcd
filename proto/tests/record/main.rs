//! Each record has one encoding, and both readers accept no other bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fields;
mod laws;
mod limits;
mod strict;
mod vectors;

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Update, check},
};

/// Written by another implementation (PyPI dag-cbor and multiformats).
const VECTORS: &str = include_str!("../../testdata/records.txt");

pub(crate) fn vector(name: &str) -> (RecordId, Vec<u8>) {
    let line = VECTORS
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .unwrap();
    let [_, cid, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    (cid.parse().unwrap(), hex::decode(hex).unwrap())
}

pub(crate) fn id(name: &str) -> RecordId {
    vector(name).0
}

pub(crate) fn publisher() -> PublicKey {
    PublicKey::new(std::array::from_fn(|i| i as u8))
}

pub(crate) fn canonical(kind: CanonicalType, id: &str) -> Record {
    Record::Canonical(Canonical::identified(kind, id.to_owned()))
}

pub(crate) fn update() -> Update {
    Update {
        reference: id("artefact"),
        publisher: publisher(),
        timestamp_ms: 1,
        name: None,
        meta: BTreeMap::new(),
        previous: Vec::new(),
        links: Vec::new(),
        salt: None,
    }
}

pub(crate) fn text(text: &str) -> Ipld {
    Ipld::String(text.to_owned())
}

pub(crate) fn map<const N: usize>(entries: [(&str, Ipld); N]) -> BTreeMap<String, Ipld> {
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Checks that both readers accept `bytes` if `expected`, and refuse them otherwise.
pub(crate) fn check_bytes(bytes: &[u8], expected: bool, what: &str) {
    assert_eq!(Record::decode(bytes).is_ok(), expected, "decode: {what}");
    assert_eq!(
        check(bytes).is_ok(),
        expected,
        "check: {what}: {:?}",
        check(bytes)
    );
}

/// `{"meta": {"a": VALUE}, "type": "entity"}`.
pub(crate) fn with_value(value: &str) -> Vec<u8> {
    hex::decode(format!("a2646d657461a16161{value}647479706566656e74697479")).unwrap()
}

/// Both readers take a map of exactly these `fields`, or both refuse it, as `expected`.
pub(crate) fn check_fields(fields: BTreeMap<String, Ipld>, expected: bool, what: &str) {
    check_bytes(
        &serde_ipld_dagcbor::to_vec(&Ipld::Map(fields)).unwrap(),
        expected,
        what,
    );
}
