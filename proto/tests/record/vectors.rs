//! The agreed bytes of each type, written by another implementation.

use std::collections::BTreeMap;

use ipld_core::{cid::Cid, ipld::Ipld};
use kittengrad_proto::{
    id::RecordId,
    record::{CanonicalType, Link, Record, Retraction, Summary, Update, check},
};

use crate::{canonical, id, map, publisher, text, update, vector};

fn full_meta() -> BTreeMap<String, Ipld> {
    let image = "bafkreieswl5fqaujlayx4qel3bhm7jypl3rvweqzshn4emwetulggu3qrm";
    map([
        ("id", Ipld::Integer(27)),
        ("title", text("Pencil Mask")),
        ("foreignTitle", text("Bleistiftmaske")),
        ("groupTitle", Ipld::Null),
        ("height", text("")),
        ("width", Ipld::Float(0.0)),
        ("depth", Ipld::Float(25.875)),
        ("small", Ipld::Float(-1.0e-300)),
        ("least", Ipld::Integer(i128::from(i64::MIN))),
        ("most", Ipld::Integer(i128::from(u64::MAX))),
        ("negative", Ipld::Integer(-1)),
        ("twentyfour", Ipld::Integer(24)),
        ("onView", Ipld::Bool(false)),
        ("image", Ipld::Link(image.parse::<Cid>().unwrap())),
        ("thumbnail", Ipld::Bytes(vec![0, 1, 255])),
        (
            "contributors",
            Ipld::List(vec![
                Ipld::Map(map([("id", Ipld::Integer(2269)), ("role", text("artist"))])),
                Ipld::List(vec![]),
                Ipld::Map(BTreeMap::new()),
            ]),
        ),
        ("été", text("\u{2028}🖌")),
        ("aa", Ipld::Bool(true)),
        ("b", Ipld::Integer(1)),
        ("", text("empty key")),
    ])
}

/// The only place that compares with a vector: both ways, its name, and the scanner's word.
fn check_vector(name: &str, record: &Record, summary: Summary) {
    let (id, bytes) = vector(name);
    assert_eq!(
        hex::encode(record.encode().unwrap()),
        hex::encode(&bytes),
        "{name}"
    );
    assert_eq!(Record::decode(&bytes).as_ref(), Ok(record), "{name}");
    assert_eq!(check(&bytes), Ok(summary), "{name}");
    assert_eq!(RecordId::of(&bytes), id, "{name}");
}

fn statement(retracts: Option<RecordId>) -> Summary {
    Summary::Statement {
        reference: id("artefact"),
        publisher: publisher(),
        retracts,
    }
}

#[test]
fn canonicals_have_the_agreed_bytes() {
    let (entity, artefact) = (CanonicalType::Entity, CanonicalType::Artefact);
    check_vector(
        "entity",
        &canonical(entity, "tate:artist:2269"),
        Summary::Canonical { kind: entity },
    );
    check_vector(
        "artefact",
        &canonical(artefact, "tate:artwork:27"),
        Summary::Canonical { kind: artefact },
    );
}

#[test]
fn updates_have_the_agreed_bytes() {
    check_vector("update-least", &Record::Update(update()), statement(None));
    let named = Update {
        timestamp_ms: 1_413_849_600_000,
        name: Some("Pencil Mask".to_owned()),
        meta: map([("title", text("Pencil Mask"))]),
        ..update()
    };
    check_vector("update-named", &Record::Update(named), statement(None));
    let mut previous = vec![id("update-least"), id("update-named")];
    previous.sort();
    let full = Update {
        timestamp_ms: 1_413_849_600_001,
        name: Some("Bleistiftmaske".to_owned()),
        meta: full_meta(),
        previous,
        links: vec![
            Link {
                rel: "createdBy".to_owned(),
                to: id("entity"),
            },
            Link {
                rel: "sameAs".to_owned(),
                to: id("artefact"),
            },
        ],
        salt: Some("salt".into()),
        ..update()
    };
    check_vector("update-full", &Record::Update(full), statement(None));
}

#[test]
fn retractions_have_the_agreed_bytes() {
    let target = id("update-named");
    let retraction = Retraction {
        reference: id("artefact"),
        target,
        publisher: publisher(),
        timestamp_ms: 1_413_849_600_002,
    };
    check_vector(
        "retraction",
        &Record::Retraction(retraction),
        statement(Some(target)),
    );
}
