//! The JSON of what is known of a canonical: the same fields as in the answers of an indexer.

use std::collections::BTreeMap;

use kittengrad_client_core::json::ShownMap;
use kittengrad_proto::id::RecordId;
use serde::{Serialize, Serializer};

use super::{Document, Publishers, Said, Statement};

/// One line of `get --json`.
#[derive(Serialize)]
pub(crate) struct DocumentJson<'a> {
    canonical: String,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    record: Option<RecordJson<'a>>,
    updates: Vec<StatementJson<'a>>,
    answered_by: Vec<AnsweredByJson>,
    complete: bool,
}

#[derive(Serialize)]
struct RecordJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(serialize_with = "show")]
    meta: &'a Meta,
}

#[derive(Serialize)]
struct AnsweredByJson {
    peer: String,
    incarnation: u64,
    height: u64,
}

impl<'a> DocumentJson<'a> {
    pub(crate) fn new(document: &'a Document, publishers: &'a Publishers) -> Self {
        let answer = &document.answer;
        let record = document.record.as_ref();
        let statements = document.statements.iter();
        let answered_by = answer.answered_by.iter().map(|by| AnsweredByJson {
            peer: by.peer.to_string(),
            incarnation: by.incarnation,
            height: by.height,
        });
        Self {
            canonical: answer.canonical.to_string(),
            kind: record.map(|record| record.kind.as_str()),
            record: record.map(|record| RecordJson {
                kind: record.kind.as_str(),
                meta: &record.meta,
            }),
            updates: statements
                .map(|statement| StatementJson::new(statement, publishers))
                .collect(),
            answered_by: answered_by.collect(),
            complete: answer.complete,
        }
    }
}

/// An update or retraction. Each has all fields, so that scripts need not ask which there are.
#[derive(Serialize)]
pub(crate) struct StatementJson<'a> {
    cid: String,
    publisher: Option<String>,
    publisher_name: Option<&'a str>,
    timestamp_ms: Option<u64>,
    previous: Vec<String>,
    links: Vec<LinkJson<'a>>,
    name: Option<&'a str>,
    #[serde(serialize_with = "show_some")]
    meta: Option<&'a Meta>,
    head: bool,
    /// head, replaced, retracted, retraction, opinion or absent.
    standing: &'static str,
    /// What a retraction takes back.
    target: Option<String>,
}

#[derive(Serialize)]
struct LinkJson<'a> {
    rel: &'a str,
    to: String,
}

impl<'a> StatementJson<'a> {
    pub(crate) fn new(statement: &'a Statement, publishers: &'a Publishers) -> Self {
        let publisher = statement.publisher();
        let holder = publisher.and_then(|key| publishers.get(&key));
        let update = statement.update();
        let links = update.map_or(&[][..], |update| &update.links);
        let previous = update.map_or(&[][..], |update| &update.previous);
        Self {
            cid: statement.cid.to_string(),
            publisher: publisher.map(|key| key.to_string()),
            publisher_name: holder.map(|holder| holder.name.as_str()),
            timestamp_ms: statement.timestamp_ms(),
            previous: previous.iter().map(RecordId::to_string).collect(),
            links: links
                .iter()
                .map(|link| LinkJson {
                    rel: &link.rel,
                    to: link.to.to_string(),
                })
                .collect(),
            name: update.and_then(|update| update.name.as_deref()),
            meta: update.map(|update| &update.meta),
            head: statement.is_head(),
            standing: statement.standing(),
            target: match &statement.said {
                Said::Retraction { retraction, .. } => Some(retraction.target.to_string()),
                _ => None,
            },
        }
    }
}

type Meta = BTreeMap<String, ipld_core::ipld::Ipld>;

fn show<S: Serializer>(meta: &Meta, serializer: S) -> Result<S::Ok, S::Error> {
    ShownMap(meta).serialize(serializer)
}

fn show_some<S: Serializer>(meta: &Option<&Meta>, serializer: S) -> Result<S::Ok, S::Error> {
    meta.map(ShownMap).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::tests::{TATE, canonical, document, some, update},
        *,
    };

    #[test]
    fn a_line_has_every_field_whole() {
        let said = update(TATE, 5, &[]);
        let document = document([some(&said)]);
        let line = serde_json::to_value(DocumentJson::new(&document, &Publishers::new())).unwrap();
        assert_eq!(line["canonical"], json!(canonical().0.to_string()));
        assert_eq!(line["type"], "artefact");
        assert_eq!(
            line["record"],
            json!({"type": "artefact", "meta": {"id": "tate:artwork:1"}})
        );
        assert_eq!(line["complete"], true);
        let update = &line["updates"][0];
        assert_eq!(update["cid"], json!(said.0.to_string()));
        assert_eq!(update["publisher"], json!(TATE.to_string()));
        assert_eq!(update["publisher_name"], Value::Null);
        assert_eq!(update["meta"].to_string(), r#"{"width":91.0}"#);
        assert_eq!(update["previous"], json!([]));
        assert_eq!(update["links"], json!([]));
        assert_eq!(update["head"], true);
    }

    #[test]
    fn what_did_not_come_is_null() {
        let mut document = document([(RecordId::new([7; 32]), None)]);
        document.record = None;
        let line = serde_json::to_value(DocumentJson::new(&document, &Publishers::new())).unwrap();
        assert_eq!(
            (&line["type"], &line["record"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(line["updates"][0]["meta"], Value::Null);
        assert_eq!(line["updates"][0]["standing"], "absent");
    }
}
