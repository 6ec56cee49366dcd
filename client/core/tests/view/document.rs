//! The document of a canonical as `get --json` and `/api/document` write it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_client_core::view::{
    document::{Document, NAMES_MAX},
    fold::fold,
    json::{DocumentJson, PublisherNames},
};
use kittengrad_proto::{
    certificate::{Holder, Role},
    id::{Id, PublicKey, RecordId},
    record::{Canonical, CanonicalType, Link, Record, Retraction, Update},
};
use serde_json::{Value, json};

const TATE: PublicKey = PublicKey::new([1; 32]);
const CMOA: PublicKey = PublicKey::new([2; 32]);

/// Knows one publisher.
struct OnlyTate;

impl PublisherNames for OnlyTate {
    fn name(&self, publisher: &PublicKey) -> Option<&str> {
        (*publisher == TATE).then_some("Tate")
    }
}

fn named(record: &Record) -> (RecordId, Option<Bytes>) {
    let bytes = record.encode().unwrap();
    (RecordId::of(&bytes), Some(bytes))
}

fn canonical() -> (RecordId, Bytes) {
    let canonical = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1".to_owned());
    let (id, bytes) = named(&Record::Canonical(canonical));
    (id, bytes.unwrap())
}

fn update(publisher: PublicKey, timestamp_ms: u64, previous: &[RecordId]) -> Record {
    Record::Update(update_named(
        publisher,
        timestamp_ms,
        previous,
        &format!("said at {timestamp_ms}"),
    ))
}

fn update_named(
    publisher: PublicKey,
    timestamp_ms: u64,
    previous: &[RecordId],
    name: &str,
) -> Update {
    Update {
        reference: canonical().0,
        publisher,
        timestamp_ms,
        name: Some(name.to_owned()),
        meta: BTreeMap::from([("width".to_owned(), Ipld::Float(91.0))]),
        previous: previous.to_vec(),
        links: Vec::new(),
        salt: None,
    }
}

fn retraction(publisher: PublicKey, target: RecordId) -> Record {
    Record::Retraction(Retraction {
        reference: canonical().0,
        target,
        publisher,
        timestamp_ms: 9,
    })
}

fn document(elements: impl IntoIterator<Item = (RecordId, Option<Bytes>)>) -> Document {
    let (id, record) = canonical();
    fold(id, Some(&record), &elements.into_iter().collect())
}

fn json_of(document: &Document) -> Value {
    serde_json::to_value(DocumentJson::new(document, &OnlyTate)).unwrap()
}

#[test]
fn statements_come_in_time_order_with_their_standing() {
    let first = named(&update(TATE, 5, &[]));
    let second = named(&update(TATE, 7, &[first.0]));
    let other = named(&update(CMOA, 6, &[]));
    let own = named(&retraction(CMOA, other.0));
    let foreign = named(&retraction(CMOA, second.0));
    let noise = (RecordId::of(b"noise"), Some(Bytes::from_static(b"noise")));
    let absent = (RecordId::of(b"absent"), None);
    let document = document([absent, noise, foreign, own.clone(), other, second, first]);

    let line = json_of(&document);
    let updates = line["updates"].as_array().unwrap();
    let standing = |update: &Value| update["standing"].as_str().unwrap().to_owned();
    let standings: Vec<_> = updates.iter().map(standing).collect();
    assert_eq!(standings[..3], ["replaced", "retracted", "head"]);
    assert_eq!(standings[5..], ["unusable", "absent"]);
    for update in &updates[3..5] {
        let is_own = update["cid"] == json!(own.0.to_string());
        assert_eq!(
            standing(update),
            if is_own { "retraction" } else { "opinion" }
        );
    }
    assert_eq!(line["name"], "said at 7");
}

#[test]
fn a_statement_about_another_canonical_is_unusable() {
    let other = Update {
        reference: RecordId::of(b"another"),
        ..update_named(TATE, 5, &[], "elsewhere")
    };
    let document = document([named(&Record::Update(other))]);
    let line = json_of(&document);
    assert_eq!(line["updates"][0]["standing"], "unusable");
    assert_eq!(line["name"], Value::Null);
}

#[test]
fn names_are_those_of_the_heads_once_and_not_blank() {
    let [same, again, blank] = [(TATE, "Ophelia"), (CMOA, "Ophelia"), (CMOA, " \t")]
        .map(|(publisher, name)| Record::Update(update_named(publisher, 5, &[], name)));
    let found = document([same, again, blank].iter().map(named));
    assert!(found.names().eq(["Ophelia"]));

    let many = (0..NAMES_MAX as u64 + 1).map(|time| named(&update(TATE, time, &[])));
    let many = document(many);
    assert_eq!(many.names().count(), NAMES_MAX);
    assert_eq!(many.name(), Some(format!("said at {NAMES_MAX}").as_str()));
    assert_eq!(many.updated_ms(), Some(NAMES_MAX as u64));
}

#[test]
fn a_statement_has_every_field() {
    let said = named(&update(TATE, 5, &[]));
    let (cid, of) = (said.0.to_string(), canonical().0.to_string());
    let text = serde_json::to_string(&DocumentJson::new(&document([said]), &OnlyTate)).unwrap();
    assert!(text.contains(r#""meta":{"width":91.0}"#), "{text}");
    let expected = json!({
        "canonical": of,
        "type": "artefact",
        "name": "said at 5",
        "record": {"type": "artefact", "meta": {"id": "tate:artwork:1"}},
        "updates": [{
            "cid": cid, "publisher": TATE.to_string(), "publisher_name": "Tate",
            "timestamp_ms": 5, "previous": [], "links": [], "name": "said at 5",
            "meta": {"width": 91.0}, "head": true, "standing": "head", "target": null,
        }],
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
}

#[test]
fn an_absent_record_is_null() {
    let lost = RecordId::new([7; 32]);
    let line = json_of(&fold(canonical().0, None, &BTreeMap::from([(lost, None)])));
    let expected = json!({
        "canonical": canonical().0.to_string(), "type": null, "name": null, "record": null,
        "updates": [{
            "cid": lost.to_string(), "publisher": null, "publisher_name": null,
            "timestamp_ms": null, "previous": [], "links": [], "name": null,
            "meta": null, "head": false, "standing": "absent", "target": null,
        }],
    });
    assert_eq!(line, expected);
}

#[test]
fn links_previous_and_targets_are_listed() {
    let first = named(&update(TATE, 5, &[]));
    let links = vec![Link {
        rel: "createdBy".to_owned(),
        to: RecordId::of(b"artist"),
    }];
    let second = named(&Record::Update(Update {
        links,
        ..update_named(TATE, 7, &[first.0], "said at 7")
    }));
    let back = named(&retraction(CMOA, second.0));
    let (first_id, second_id, back_id) = (first.0, second.0, back.0);
    let line = json_of(&document([first, second, back]));
    let updates = line["updates"].as_array().unwrap();
    let ids = updates.iter().map(|update| update["cid"].clone());
    let expected = [first_id, second_id, back_id].map(|id| json!(id.to_string()));
    assert!(ids.eq(expected), "{updates:?}");
    assert_eq!(updates[0]["head"], json!(false));
    assert_eq!(updates[1]["head"], json!(true));
    assert_eq!(updates[1]["previous"], json!([first_id.to_string()]));
    let artist = RecordId::of(b"artist").to_string();
    let links = json!([{"rel": "createdBy", "to": artist}]);
    assert_eq!(updates[1]["links"], links);
    assert_eq!(updates[0]["links"], json!([]));
    let expected = json!({
        "cid": back_id.to_string(), "publisher": CMOA.to_string(), "publisher_name": null,
        "timestamp_ms": 9, "previous": [], "links": [], "name": null,
        "meta": null, "head": false, "standing": "opinion", "target": second_id.to_string(),
    });
    assert_eq!(updates[2], expected);
}

#[test]
fn publishers_links_and_names_are_those_of_the_heads() {
    let link = |to: &[u8]| Link {
        rel: "createdBy".to_owned(),
        to: RecordId::of(to),
    };
    let said = |publisher, time, previous: &[RecordId], name: Option<&str>, to: &[u8]| {
        named(&Record::Update(Update {
            name: name.map(str::to_owned),
            links: vec![link(to)],
            ..update_named(publisher, time, previous, "")
        }))
    };
    let other = PublicKey::new([3; 32]);
    let old = said(TATE, 1, &[], Some("Old"), b"old");
    let new = said(TATE, 2, &[old.0], Some("New"), b"new");
    let newer = said(other, 3, &[], Some("Newer"), b"newer");
    let newest = said(other, 4, &[], None, b"newest");
    let wrong = said(CMOA, 5, &[], Some("Wrong"), b"wrong");
    let back = named(&retraction(CMOA, wrong.0));
    let heads = [new.0, newer.0, newest.0];
    let document = document([old, new, newer, newest, wrong, back]);
    assert!(document.heads().map(|(id, _)| id).eq(heads));
    assert!(document.names().eq(["Newer", "New"]));
    assert_eq!(document.name(), Some("Newer"), "the newest that has one");
    assert_eq!(document.publishers(), [TATE, other].into());
    assert_eq!(document.speakers(), [TATE, CMOA, other].into());
    let mut links = [link(b"new"), link(b"newer"), link(b"newest")];
    links.sort();
    assert!(document.links().into_iter().eq(&links));
    assert_eq!(document.updated_ms(), Some(4));
    let identifier = Some("tate:artwork:1");
    let kind = Some(CanonicalType::Artefact);
    assert_eq!((document.identifier(), document.kind()), (identifier, kind));
}

#[test]
fn a_document_without_heads_has_neither_name_nor_time() {
    let id = canonical().0;
    let document = fold(id, None, &BTreeMap::new());
    assert_eq!(document.canonical, id);
    assert_eq!((document.name(), document.updated_ms()), (None, None));
    assert_eq!((document.identifier(), document.kind()), (None, None));

    let unnamed = Canonical {
        kind: CanonicalType::Entity,
        meta: BTreeMap::from([("id".to_owned(), Ipld::Integer(1))]),
    };
    let (id, bytes) = named(&Record::Canonical(unnamed));
    let document = fold(id, bytes.as_deref(), &BTreeMap::new());
    assert_eq!(document.identifier(), None, "only text is an identifier");
    assert_eq!(document.kind(), Some(CanonicalType::Entity));
}

#[test]
fn a_record_of_another_kind_has_no_place_in_a_document() {
    let (of, own) = canonical();
    let (said, bytes) = named(&update(TATE, 5, &[]));
    let elsewhere = named(&Record::Retraction(Retraction {
        reference: RecordId::of(b"another"),
        target: said,
        publisher: TATE,
        timestamp_ms: 1,
    }));
    let set = [(said, bytes.clone()), elsewhere, (of, Some(own))].into();
    let document = fold(of, bytes.as_deref(), &set);
    assert_eq!(document.record, None, "an update is no canonical");
    let standings = document.statements.iter().map(|one| one.standing());
    assert!(standings.eq(["head", "unusable", "unusable"]));
    let garbage = fold(of, Some(b"garbage"), &BTreeMap::new());
    assert_eq!(garbage.record, None);
}

#[test]
fn statements_of_one_time_come_by_name_and_absent_ones_last() {
    let [a, b, c] = ["a", "b", "c"].map(|name| {
        let update = update_named(TATE, u64::MAX, &[], name);
        named(&Record::Update(update))
    });
    let [first, last] = [0, 0xff].map(|byte| RecordId::new([byte; 32]));
    let noise = Some(Bytes::from_static(b"noise"));
    let mut named = [a.0, b.0, c.0];
    named.sort();
    let document = document([c, (first, None), b, (last, noise), a]);
    let ids = document.statements.iter().map(|one| one.id);
    assert!(ids.eq([named[0], named[1], named[2], last, first]));
}

#[test]
fn a_retraction_takes_back_a_known_update_only() {
    let said = named(&update(TATE, 5, &[]));
    let back = named(&retraction(TATE, said.0));
    let of_nothing = named(&retraction(TATE, RecordId::of(b"unknown")));
    let of_retraction = named(&retraction(TATE, back.0));
    let of_absent = named(&retraction(TATE, RecordId::of(b"absent")));
    let absent = (RecordId::of(b"absent"), None);
    let effective = back.0;
    let document = document([said, back, of_nothing, of_retraction, of_absent, absent]);
    for statement in &document.statements[1..5] {
        let expected = if statement.id == effective {
            "retraction"
        } else {
            "opinion"
        };
        assert_eq!(statement.standing(), expected);
    }
    assert_eq!(document.statements[0].standing(), "retracted");
}

#[test]
fn names_of_publishers_are_those_of_their_certificates() {
    let holder = Holder {
        key: TATE,
        role: Role::Client,
        name: "Tate".to_owned(),
        issuer: CMOA,
        not_before_ms: 0,
        not_after_ms: 1,
        chain: Id::ZERO,
    };
    let names = BTreeMap::from([(TATE, holder)]);
    assert_eq!(names.name(&TATE), Some("Tate"));
    assert_eq!(names.name(&CMOA), None);
}

#[test]
fn a_publisher_without_certificate_has_a_key_and_no_name() {
    let line = json_of(&document([named(&update(CMOA, 5, &[]))]));
    let update = &line["updates"][0];
    assert_eq!(update["publisher"], json!(CMOA.to_string()));
    assert_eq!(update["publisher_name"], Value::Null);
}
