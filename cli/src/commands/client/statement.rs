//! What is known of a canonical, as JSON: the same fields as in the answers of an indexer.

use std::collections::BTreeMap;

use kittengrad_client::lookup::Answer;
use kittengrad_client_core::json::ShownMap;
use kittengrad_proto::{
    certificate::Holder,
    heads::{Placed, Standing, place},
    id::{PublicKey, RecordId},
    record::{Canonical, Record, Retraction, Update},
};
use serde::{Serialize, Serializer};

/// Names of publishers, by their verified certificates.
pub(crate) type Publishers = BTreeMap<PublicKey, Holder>;

/// An answer about one canonical, its records decoded.
pub(crate) struct Document {
    pub(crate) answer: Answer,
    /// `None` if the record did not come.
    pub(crate) record: Option<Canonical>,
    /// Ordered by (timestamp, CID); those whose record did not come are last.
    pub(crate) statements: Vec<Statement>,
}

/// One element of the set.
pub(crate) struct Statement {
    pub(crate) cid: RecordId,
    pub(crate) said: Said,
}

/// What it says.
pub(crate) enum Said {
    Update { update: Box<Update>, standing: Standing },
    /// Whether views heed it.
    Retraction { retraction: Retraction, is_effective: bool },
    /// The record did not come.
    Absent,
}

impl Document {
    pub(crate) fn new(answer: Answer) -> Self {
        let record = answer.record.as_ref().and_then(|bytes| match Record::decode(bytes) {
            Ok(Record::Canonical(canonical)) => Some(canonical),
            _ => None,
        });
        let decoded = answer.updates.iter().map(|(cid, bytes)| {
            (*cid, bytes.as_ref().and_then(|bytes| Record::decode(bytes).ok()))
        });
        let decoded: BTreeMap<_, _> = decoded.collect();
        let placed = place(decoded.iter().filter_map(|(cid, record)| Some((*cid, record.as_ref()?))));
        let standings: BTreeMap<_, _> =
            placed.iter().map(|Placed { id, update, standing }| (*id, (*standing, update.publisher))).collect();
        let said = |cid: RecordId, record: Option<Record>| match record {
            Some(Record::Update(update)) => {
                let standing = standings.get(&cid).map_or(Standing::Head, |(standing, _)| *standing);
                Said::Update { update: Box::new(update), standing }
            }
            Some(Record::Retraction(retraction)) => {
                let target = standings.get(&retraction.target);
                let is_effective = target.is_some_and(|(_, publisher)| *publisher == retraction.publisher);
                Said::Retraction { retraction, is_effective }
            }
            Some(Record::Canonical(_)) | None => Said::Absent,
        };
        let statements = decoded.into_iter().map(|(cid, record)| Statement { cid, said: said(cid, record) });
        let mut statements: Vec<_> = statements.collect();
        statements.sort_by_key(|statement| (statement.timestamp_ms().unwrap_or(u64::MAX), statement.cid));
        Self { answer, record, statements }
    }

    /// What to call it: the name in the newest head that has one, else an identifier.
    pub(crate) fn name(&self) -> Option<&str> {
        let heads = self.statements.iter().rev().filter(|statement| statement.is_head());
        heads.filter_map(|statement| statement.update()?.name.as_deref()).next()
    }
}

impl Statement {
    pub(crate) fn update(&self) -> Option<&Update> {
        match &self.said {
            Said::Update { update, .. } => Some(update),
            _ => None,
        }
    }

    pub(crate) fn is_head(&self) -> bool {
        matches!(self.said, Said::Update { standing: Standing::Head, .. })
    }

    pub(crate) fn publisher(&self) -> Option<PublicKey> {
        match &self.said {
            Said::Update { update, .. } => Some(update.publisher),
            Said::Retraction { retraction, .. } => Some(retraction.publisher),
            Said::Absent => None,
        }
    }

    pub(crate) fn timestamp_ms(&self) -> Option<u64> {
        match &self.said {
            Said::Update { update, .. } => Some(update.timestamp_ms),
            Said::Retraction { retraction, .. } => Some(retraction.timestamp_ms),
            Said::Absent => None,
        }
    }

    /// In one word what it is today.
    pub(crate) const fn standing(&self) -> &'static str {
        match &self.said {
            Said::Update { standing: Standing::Head, .. } => "head",
            Said::Update { standing: Standing::Replaced, .. } => "replaced",
            Said::Update { standing: Standing::Retracted, .. } => "retracted",
            Said::Retraction { is_effective: true, .. } => "retraction",
            Said::Retraction { is_effective: false, .. } => "opinion",
            Said::Absent => "absent",
        }
    }
}

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
            record: record.map(|record| RecordJson { kind: record.kind.as_str(), meta: &record.meta }),
            updates: statements.map(|statement| StatementJson::new(statement, publishers)).collect(),
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
            links: links.iter().map(|link| LinkJson { rel: &link.rel, to: link.to.to_string() }).collect(),
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
    use bytes::Bytes;
    use ipld_core::ipld::Ipld;
    use kittengrad_proto::record::CanonicalType;
    use serde_json::{Value, json};

    use super::*;

    const TATE: PublicKey = PublicKey::new([1; 32]);
    const CMOA: PublicKey = PublicKey::new([2; 32]);

    fn canonical() -> (RecordId, Bytes) {
        let canonical = Canonical::identified(CanonicalType::Artefact, "tate:artwork:1".to_owned());
        named(&Record::Canonical(canonical))
    }

    fn named(record: &Record) -> (RecordId, Bytes) {
        let bytes = record.encode().unwrap();
        (RecordId::of(&bytes), bytes)
    }

    fn update(publisher: PublicKey, timestamp_ms: u64, previous: &[RecordId]) -> (RecordId, Bytes) {
        named(&Record::Update(Update {
            reference: canonical().0,
            publisher,
            timestamp_ms,
            name: Some(format!("said at {timestamp_ms}")),
            meta: Meta::from([("width".to_owned(), Ipld::Float(91.0))]),
            previous: previous.to_vec(),
            links: Vec::new(),
            salt: None,
        }))
    }

    fn retraction(publisher: PublicKey, target: RecordId) -> (RecordId, Bytes) {
        let reference = canonical().0;
        named(&Record::Retraction(Retraction { reference, target, publisher, timestamp_ms: 9 }))
    }

    fn document(updates: impl IntoIterator<Item = (RecordId, Option<Bytes>)>) -> Document {
        let (cid, record) = canonical();
        Document::new(Answer {
            canonical: cid,
            exists: true,
            record: Some(record),
            updates: updates.into_iter().collect(),
            answered_by: Vec::new(),
            complete: true,
        })
    }

    fn some((cid, bytes): &(RecordId, Bytes)) -> (RecordId, Option<Bytes>) {
        (*cid, Some(bytes.clone()))
    }

    #[test]
    fn statements_are_in_the_order_of_time_and_say_what_they_are_today() {
        let first = update(TATE, 5, &[]);
        let second = update(TATE, 7, &[first.0]);
        let other = update(CMOA, 6, &[]);
        let (heeded, ignored) = (retraction(CMOA, other.0), retraction(CMOA, second.0));
        let lost = RecordId::new([7; 32]);
        let all = [&first, &second, &other, &heeded, &ignored].map(some);
        let document = document(all.into_iter().chain([(lost, None)]));

        let standings: Vec<_> = document.statements.iter().map(Statement::standing).collect();
        assert_eq!(standings[..3], ["replaced", "retracted", "head"]);
        assert_eq!(standings[5], "absent");
        let mut retractions = [standings[3], standings[4]];
        retractions.sort_unstable();
        assert_eq!(retractions, ["opinion", "retraction"]);
        assert_eq!(document.name(), Some("said at 7"));
    }

    #[test]
    fn a_line_has_every_field_whole() {
        let said = update(TATE, 5, &[]);
        let document = document([some(&said)]);
        let line = serde_json::to_value(DocumentJson::new(&document, &Publishers::new())).unwrap();
        assert_eq!(line["canonical"], json!(canonical().0.to_string()));
        assert_eq!(line["type"], "artefact");
        assert_eq!(line["record"], json!({"type": "artefact", "meta": {"id": "tate:artwork:1"}}));
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
        assert_eq!((&line["type"], &line["record"]), (&Value::Null, &Value::Null));
        assert_eq!(line["updates"][0]["meta"], Value::Null);
        assert_eq!(line["updates"][0]["standing"], "absent");
    }
}
