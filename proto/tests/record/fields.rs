//! The fields of each type: which must be there, which may, and of what kind.

use std::collections::BTreeSet;

use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    id::RecordId,
    limits::{
        RECORD_LINKS_MAX, RECORD_NAME_BYTES_MAX, RECORD_PREVIOUS_MAX, RECORD_SALT_BYTES_MAX,
        REL_BYTES_MAX,
    },
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

#[test]
fn values_out_of_form_or_beyond_their_limits_are_refused() {
    let (_, bytes) = vector("update-least");
    let Ok(Ipld::Map(least)) = serde_ipld_dagcbor::from_slice(&bytes) else {
        panic!()
    };
    let link = Ipld::Link(id("entity").cid());
    let relation = |rel: &str| Ipld::Map(map([("rel", text(rel)), ("to", link.clone())]));
    for (field, value, expected) in [
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
