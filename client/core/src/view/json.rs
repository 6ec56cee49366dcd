//! A document as JSON: `GET /api/document` and `get --json` begin with these fields.
//!
//! Each statement has every field, so that a script need not ask which ones exist. Missing values are `null`.

use std::collections::BTreeMap;

use kittengrad_proto::{
    certificate::Holder,
    id::{PublicKey, RecordId},
    record::{Canonical, Link},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::document::{Claim, Document, Statement};
use crate::json::JsonMap;

/// The names of publishers, by their certificates.
pub trait PublisherNames {
    /// The name of a publisher; `None` if no certificate is known.
    fn name(&self, publisher: &PublicKey) -> Option<&str>;
}

impl PublisherNames for BTreeMap<PublicKey, Holder> {
    fn name(&self, publisher: &PublicKey) -> Option<&str> {
        self.get(publisher).map(|holder| holder.name.as_str())
    }
}

/// A document and the names of its publishers, written as a JSON object straight from the records.
#[derive(Clone, Copy)]
pub struct DocumentJson<'a> {
    document: &'a Document,
    names: &'a dyn PublisherNames,
}

impl<'a> DocumentJson<'a> {
    /// Shows `document` with the publishers' names in `names`.
    #[must_use]
    pub fn new(document: &'a Document, names: &'a dyn PublisherNames) -> Self {
        Self { document, names }
    }
}

impl Serialize for DocumentJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = self.document;
        let record = document.record.as_ref().map(RecordJson::new);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("canonical", &document.canonical.to_string())?;
        map.serialize_entry("type", &document.kind().map(|kind| kind.as_str()))?;
        map.serialize_entry("name", &document.name())?;
        map.serialize_entry("record", &record)?;
        map.serialize_entry("updates", &StatementsJson(*self))?;
        map.end()
    }
}

#[derive(Serialize)]
struct RecordJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    meta: JsonMap<'a>,
}

impl<'a> RecordJson<'a> {
    fn new(record: &'a Canonical) -> Self {
        Self {
            kind: record.kind.as_str(),
            meta: JsonMap(&record.meta),
        }
    }
}

/// Writes one statement at a time, so that a document of many is not held twice.
struct StatementsJson<'a>(DocumentJson<'a>);

impl Serialize for StatementsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let DocumentJson { document, names } = self.0;
        let statements = document.statements.iter();
        serializer.collect_seq(statements.map(|statement| StatementJson::new(statement, names)))
    }
}

/// A statement as a JSON object.
#[derive(Serialize)]
pub struct StatementJson<'a> {
    cid: String,
    publisher: Option<String>,
    publisher_name: Option<&'a str>,
    timestamp_ms: Option<u64>,
    previous: Vec<String>,
    links: Vec<LinkJson<'a>>,
    name: Option<&'a str>,
    meta: Option<JsonMap<'a>>,
    head: bool,
    standing: &'static str,
    /// The update that a retraction takes back.
    target: Option<String>,
}

impl<'a> StatementJson<'a> {
    /// Shows `statement` with its publisher's name.
    #[must_use]
    pub fn new(statement: &'a Statement, names: &'a dyn PublisherNames) -> Self {
        let publisher = statement.publisher();
        let update = statement.update();
        let previous = update.map_or(&[][..], |update| &update.previous);
        let links = update.map_or(&[][..], |update| &update.links);
        Self {
            cid: statement.id.to_string(),
            publisher: publisher.map(|key| key.to_string()),
            publisher_name: publisher.and_then(|key| names.name(&key)),
            timestamp_ms: statement.timestamp_ms(),
            previous: previous.iter().map(RecordId::to_string).collect(),
            links: links.iter().map(LinkJson::new).collect(),
            name: update.and_then(|update| update.name.as_deref()),
            meta: update.map(|update| JsonMap(&update.meta)),
            head: statement.is_head(),
            standing: statement.standing(),
            target: match &statement.claim {
                Claim::Retraction { retraction, .. } => Some(retraction.target.to_string()),
                _ => None,
            },
        }
    }
}

#[derive(Serialize)]
struct LinkJson<'a> {
    rel: &'a str,
    to: String,
}

impl<'a> LinkJson<'a> {
    fn new(link: &'a Link) -> Self {
        Self {
            rel: &link.rel,
            to: link.to.to_string(),
        }
    }
}
