//! Documents as JSON: what `GET /api/document` answers, written straight from the records.
//!
//! Every statement has every field, so that scripts need not ask which there are.

use std::collections::BTreeMap;

use kittengrad_client_core::json::ShownMap;
use kittengrad_indexer_core::{Document, Publishers, Said, Statement};
use kittengrad_proto::{
    heads::Standing,
    id::{PublicKey, RecordId},
    record::{Link, Retraction, Update},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// A document, to be serialised as JSON with the names of the publishers.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentJson<'a> {
    /// The document.
    pub(super) document: &'a Document,
    /// Whom the publishers' certificates name.
    pub(super) publishers: &'a Publishers,
    /// What the targets of its links are called, as far as known.
    pub(super) linked: &'a BTreeMap<String, Linked>,
}

/// The target of a link.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Linked {
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) identifier: Option<String>,
}

impl Serialize for DocumentJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = self.document;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("canonical", &document.canonical.to_string())?;
        map.serialize_entry("type", &document.kind().map(|kind| kind.as_str()))?;
        map.serialize_entry("name", &document.name())?;
        let record = document.record.as_ref();
        let record = record.map(|record| RecordJson {
            kind: record.kind.as_str(),
            meta: ShownMap(&record.meta),
        });
        map.serialize_entry("record", &record)?;
        map.serialize_entry("updates", &Statements(*self))?;
        map.serialize_entry("linked", self.linked)?;
        map.end()
    }
}

#[derive(Serialize)]
struct RecordJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    meta: ShownMap<'a>,
}

struct Statements<'a>(DocumentJson<'a>);

impl Serialize for Statements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let publishers = self.0.publishers;
        let said = self.0.document.statements.iter();
        serializer.collect_seq(said.map(|statement| StatementJson::of(statement, publishers)))
    }
}

#[derive(Serialize)]
struct StatementJson<'a> {
    cid: String,
    publisher: Option<String>,
    publisher_name: Option<&'a str>,
    timestamp_ms: Option<u64>,
    previous: Vec<String>,
    links: Vec<LinkJson<'a>>,
    name: Option<&'a str>,
    meta: Option<ShownMap<'a>>,
    head: bool,
    /// head, replaced, retracted, retraction, opinion, absent or unusable.
    standing: &'static str,
    /// What a retraction takes back.
    target: Option<String>,
}

impl<'a> StatementJson<'a> {
    fn of(statement: &'a Statement, publishers: &'a Publishers) -> Self {
        match &statement.said {
            Said::Update { update, standing } => {
                Self::of_update(statement.id, update, *standing, publishers)
            }
            Said::Retraction {
                retraction,
                is_effective,
            } => Self::of_retraction(statement.id, retraction, *is_effective, publishers),
            Said::Absent => Self::silent(statement.id, "absent"),
            Said::Unusable => Self::silent(statement.id, "unusable"),
        }
    }

    fn of_update(
        id: RecordId,
        update: &'a Update,
        standing: Standing,
        publishers: &'a Publishers,
    ) -> Self {
        Self {
            timestamp_ms: Some(update.timestamp_ms),
            previous: update.previous.iter().map(RecordId::to_string).collect(),
            links: update.links.iter().map(LinkJson::of).collect(),
            name: update.name.as_deref(),
            meta: Some(ShownMap(&update.meta)),
            head: standing == Standing::Head,
            ..Self::silent(id, standing_text(standing)).by(&update.publisher, publishers)
        }
    }

    fn of_retraction(
        id: RecordId,
        retraction: &Retraction,
        is_effective: bool,
        publishers: &'a Publishers,
    ) -> Self {
        let standing = if is_effective {
            "retraction"
        } else {
            "opinion"
        };
        Self {
            timestamp_ms: Some(retraction.timestamp_ms),
            target: Some(retraction.target.to_string()),
            ..Self::silent(id, standing).by(&retraction.publisher, publishers)
        }
    }

    fn silent(id: RecordId, standing: &'static str) -> Self {
        Self {
            cid: id.to_string(),
            publisher: None,
            publisher_name: None,
            timestamp_ms: None,
            previous: Vec::new(),
            links: Vec::new(),
            name: None,
            meta: None,
            head: false,
            standing,
            target: None,
        }
    }

    fn by(self, publisher: &PublicKey, publishers: &'a Publishers) -> Self {
        Self {
            publisher: Some(publisher.to_string()),
            publisher_name: publishers.name(publisher),
            ..self
        }
    }
}

const fn standing_text(standing: Standing) -> &'static str {
    match standing {
        Standing::Head => "head",
        Standing::Replaced => "replaced",
        Standing::Retracted => "retracted",
    }
}

#[derive(Serialize)]
struct LinkJson<'a> {
    rel: &'a str,
    to: String,
}

impl<'a> LinkJson<'a> {
    fn of(link: &'a Link) -> Self {
        Self {
            rel: &link.rel,
            to: link.to.to_string(),
        }
    }
}
