//! The document of a canonical as `get --json` and `/api/document` write it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_client_core::view::{
    document::{Document, NAMES_MAX},
    fold::fold,
    json::DocumentJson,
    json::PublisherNames,
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Retraction, Update},
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
fn a_publisher_without_certificate_has_a_key_and_no_name() {
    let line = json_of(&document([named(&update(CMOA, 5, &[]))]));
    let update = &line["updates"][0];
    assert_eq!(update["publisher"], json!(CMOA.to_string()));
    assert_eq!(update["publisher_name"], Value::Null);
}
