//! The fields of each type: which must be there, which may, and of what kind.

use std::collections::{BTreeMap, BTreeSet};

use ipld_core::{
    cid::{Cid, multihash::Multihash},
    ipld::Ipld,
};
use kittengrad_proto::{
    id::RecordId,
    limits::{
        RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX, RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX,
        REL_BYTES_MAX,
    },
    record::{CanonicalType, Record, RecordError, check},
};

use crate::{check_fields, id, map, text, vector};

#[test]
fn a_record_has_exactly_the_fields_of_its_type() {
    for name in [
        "entity",
        "artefact",
        "update-least",
        "update-full",
        "retraction",
    ] {
        let (_, bytes) = vector(name);
        let Ok(Ipld::Map(fields)) = serde_ipld_dagcbor::from_slice(&bytes) else {
            panic!("{name}")
        };
        for field in fields.keys() {
            let optional = name == "update-full"
                && ["name", "previous", "links", "salt"].contains(&field.as_str());
            let mut fields = fields.clone();
            fields.remove(field);
            check_fields(fields, optional, &format!("{name} without {field}"));
        }
        for field in [
            "ref", "meta", "name", "salt", "links", "target", "previous", "other",
        ] {
            if !fields.contains_key(field) {
                let mut fields = fields.clone();
                fields.insert(field.to_owned(), text("x"));
                let expected = field == "name" && name == "update-least";
                check_fields(fields, expected, &format!("{name} with {field}"));
            }
        }
        for field in fields.keys() {
            let mut fields = fields.clone();
            fields.insert(field.clone(), Ipld::Null);
            check_fields(fields, false, &format!("{name} with {field} null"));
        }
    }
}

#[test]
fn lists_of_an_update_have_as_many_entries_as_the_limit() {
    let (_, bytes) = vector("update-least");
    let Ok(Ipld::Map(least)) = serde_ipld_dagcbor::from_slice(&bytes) else {
        panic!()
    };
    let ids = |count: usize| {
        let ids: BTreeSet<_> = (0..count).map(|n| RecordId::of(&n.to_be_bytes())).collect();
        ids.into_iter().map(|id| Ipld::Link(id.cid()))
    };
    let relation = |to| Ipld::Map(map([("rel", text("a")), ("to", to)]));
    let check = |field: &str, entries: Vec<Ipld>, expected| {
        let what = format!("{field} of {} entries", entries.len());
        let mut fields = least.clone();
        fields.insert(field.to_owned(), Ipld::List(entries));
        check_fields(fields, expected, &what);
    };
    for (beyond, expected) in [(0, true), (1, false)] {
        let previous = ids(RECORD_PREVIOUS_MAX + beyond);
        check("previous", previous.collect(), expected);
        let links = ids(RECORD_LINKS_MAX + beyond).map(relation);
        check("links", links.collect(), expected);
    }
}

/// Both readers refuse exactly these fields for the same reason.
fn check_reason(fields: BTreeMap<String, Ipld>, field: &'static str, why: &'static str) {
    let bytes = serde_ipld_dagcbor::to_vec(&Ipld::Map(fields)).unwrap();
    let refused = RecordError::Field { field, why };
    assert_eq!(Record::decode(&bytes), Err(refused.clone()), "decode");
    assert_eq!(check(&bytes), Err(refused), "check");
}

fn fields_of(name: &str) -> BTreeMap<String, Ipld> {
    let (_, bytes) = vector(name);
    match serde_ipld_dagcbor::from_slice(&bytes) {
        Ok(Ipld::Map(fields)) => fields,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_field_that_is_missing_or_too_much_is_named() {
    let of_all = ["type", "ref", "publisher", "timestamp"];
    for (name, required) in [
        ("entity", &["type", "meta"][..]),
        ("update-least", &[&of_all[..], &["meta"]].concat()[..]),
        ("retraction", &[&of_all[..], &["target"]].concat()[..]),
    ] {
        for field in required {
            let mut fields = fields_of(name);
            fields.remove(*field);
            check_reason(fields, field, "is missing");
        }
    }
    let link = Ipld::Link(id("entity").cid());
    for (name, field, value) in [
        ("entity", "name", text("x")),
        ("update-least", "target", link),
        ("update-least", "other", text("x")),
        ("retraction", "meta", Ipld::Map(BTreeMap::new())),
    ] {
        let mut fields = fields_of(name);
        fields.insert(field.to_owned(), value);
        let why = "has a field that this type of record does not have";
        check_reason(fields, "outermost map", why);
    }
}

#[test]
fn a_field_that_is_out_of_form_is_named() {
    let link = |n: u8| Ipld::Link(RecordId::new([n; 32]).cid());
    let relation = |rel: &str| Ipld::Map(map([("rel", text(rel)), ("to", link(1))]));
    let too_long = "is longer than allowed";
    let too_many = "has more entries than allowed";
    let empty = "is empty and should be left out";
    let disorder = "is not strictly ascending";
    for (field, value, why) in [
        (
            "name",
            text(&"x".repeat(RECORD_NAME_BYTES_MAX + 1)),
            too_long,
        ),
        (
            "salt",
            Ipld::Bytes(vec![0; RECORD_SALT_BYTES_MAX + 1]),
            too_long,
        ),
        ("previous", Ipld::List(Vec::new()), empty),
        ("previous", Ipld::List(vec![link(2), link(1)]), disorder),
        (
            "previous",
            Ipld::List(vec![link(1); RECORD_PREVIOUS_MAX + 1]),
            too_many,
        ),
        ("links", Ipld::List(Vec::new()), empty),
        (
            "links",
            Ipld::List(vec![relation("b"), relation("a")]),
            disorder,
        ),
        (
            "links",
            Ipld::List(vec![relation("a"); RECORD_LINKS_MAX + 1]),
            too_many,
        ),
        ("publisher", Ipld::Bytes(vec![0; 31]), "is not 32 bytes"),
        (
            "type",
            text("Update"),
            "is not entity, artefact, update or retraction",
        ),
    ] {
        let mut fields = fields_of("update-least");
        fields.insert(field.to_owned(), value);
        check_reason(fields, field, why);
    }
    for rel in ["", &"x".repeat(REL_BYTES_MAX + 1)] {
        let mut fields = fields_of("update-least");
        fields.insert("links".to_owned(), Ipld::List(vec![relation(rel)]));
        check_reason(fields, "rel", "is empty or longer than allowed");
    }
}

#[test]
fn a_field_of_another_kind_is_named() {
    for name in ["artefact", "update-full", "retraction"] {
        for field in fields_of(name).into_keys() {
            let mut fields = fields_of(name);
            fields.insert(field.clone(), Ipld::Null);
            let bytes = serde_ipld_dagcbor::to_vec(&Ipld::Map(fields)).unwrap();
            match Record::decode(&bytes) {
                Err(RecordError::Field { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{name}, {field}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_type_of_canonical_is_read_as_it_is_written() {
    for (kind, text) in [
        (CanonicalType::Entity, "entity"),
        (CanonicalType::Artefact, "artefact"),
    ] {
        assert_eq!(kind.to_string(), text);
        assert_eq!(text.parse(), Ok(kind));
    }
    for text in ["", "Entity", "update", "retraction"] {
        assert!(text.parse::<CanonicalType>().is_err(), "{text}");
    }
}

#[test]
fn values_out_of_form_or_beyond_their_limits_are_refused() {
    let (_, bytes) = vector("update-least");
    let Ok(Ipld::Map(least)) = serde_ipld_dagcbor::from_slice(&bytes) else {
        panic!()
    };
    let link = Ipld::Link(id("entity").cid());
    let relation = |rel: &str| Ipld::Map(map([("rel", text(rel)), ("to", link.clone())]));
    let sha3_256 = Multihash::wrap(0x16, &[7; 32]).unwrap();
    for (field, value, expected) in [
        ("ref", Ipld::Link(Cid::new_v1(0x71, sha3_256)), false),
        ("previous", Ipld::List(vec![]), false),
        ("previous", Ipld::List(vec![link.clone()]), true),
        (
            "previous",
            Ipld::List(vec![link.clone(), link.clone()]),
            false,
        ),
        ("links", Ipld::List(vec![]), false),
        (
            "links",
            Ipld::List(vec![relation("a"), relation("b")]),
            true,
        ),
        (
            "links",
            Ipld::List(vec![relation("b"), relation("a")]),
            false,
        ),
        (
            "links",
            Ipld::List(vec![relation("a"), relation("a")]),
            false,
        ),
        ("links", Ipld::List(vec![relation("")]), false),
        (
            "links",
            Ipld::List(vec![relation(&"x".repeat(REL_BYTES_MAX))]),
            true,
        ),
        (
            "links",
            Ipld::List(vec![relation(&"x".repeat(REL_BYTES_MAX + 1))]),
            false,
        ),
        (
            "links",
            Ipld::List(vec![Ipld::Map(map([("rel", text("a"))]))]),
            false,
        ),
        (
            "links",
            Ipld::List(vec![Ipld::Map(map([("to", link.clone())]))]),
            false,
        ),
        ("name", text(&"x".repeat(RECORD_NAME_BYTES_MAX)), true),
        ("name", text(&"x".repeat(RECORD_NAME_BYTES_MAX + 1)), false),
        ("salt", Ipld::Bytes(vec![0; RECORD_SALT_BYTES_MAX]), true),
        (
            "salt",
            Ipld::Bytes(vec![0; RECORD_SALT_BYTES_MAX + 1]),
            false,
        ),
        ("publisher", Ipld::Bytes(vec![0; 31]), false),
        ("timestamp", Ipld::Integer(-1), false),
        ("timestamp", Ipld::Float(1.0), false),
        ("timestamp", Ipld::Integer(i128::from(u64::MAX)), true),
        ("type", text("Update"), false),
        (
            "ref",
            Ipld::Link(
                "bafkreieswl5fqaujlayx4qel3bhm7jypl3rvweqzshn4emwetulggu3qrm"
                    .parse()
                    .unwrap(),
            ),
            false,
        ),
    ] {
        let what = format!("{field} {value:?}")
            .chars()
            .take(100)
            .collect::<String>();
        let mut fields = least.clone();
        fields.insert(field.to_owned(), value);
        check_fields(fields, expected, &what);
    }
}
