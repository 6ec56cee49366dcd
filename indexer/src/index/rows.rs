//! Rows: documents, sets and publishers' names to and from Tantivy's documents.

use bytes::Bytes;
use kittengrad_indexer_core::{Changed, PublisherName, Set, Stored, searched_text, summary};
use kittengrad_proto::id::{Id, PublicKey, RecordId};
use tantivy::{
    TantivyDocument, TantivyError,
    schema::{Field, Value},
};

use super::schema::{DOCUMENT, Fields, PUBLISHER, SET};

/// Makes the row of a document.
pub(super) fn document(fields: &Fields, changed: &Changed) -> TantivyDocument {
    let document = &changed.document;
    let mut row = TantivyDocument::default();
    row.add_text(fields.is, DOCUMENT);
    row.add_text(fields.canonical, document.canonical.to_string());
    if let Some(kind) = document.kind() {
        row.add_text(fields.kind, kind.as_str());
    }
    if let Some(identifier) = document
        .identifier()
        .filter(|text| text.len() < TERM_BYTES_MAX)
    {
        row.add_text(fields.identifier, identifier);
    }
    for name in document.names() {
        row.add_text(fields.name, name);
    }
    row.add_text(fields.text, searched_text(document));
    for publisher in document.publishers() {
        row.add_text(fields.publisher, publisher.to_string());
    }
    let mut linked: Vec<RecordId> = document.links().into_iter().map(|link| link.to).collect();
    linked.sort_unstable();
    linked.dedup();
    for to in linked {
        row.add_text(fields.link, to.to_string());
    }
    row.add_u64(fields.absent, changed.set.absent_count() as u64);
    row.add_u64(fields.updated_ms, document.updated_ms().unwrap_or(0));
    row.add_u64(fields.order, order(&document.canonical));
    row.add_text(fields.summary, summary(document));
    row
}

/// Makes the row of a document's set.
pub(super) fn set(fields: &Fields, changed: &Changed) -> TantivyDocument {
    let mut row = TantivyDocument::default();
    row.add_text(fields.is, SET);
    row.add_text(fields.of, changed.document.canonical.to_string());
    row.add_bytes(fields.set, &changed.set.encode());
    row.add_bytes(fields.hash, changed.hash.as_bytes());
    row
}

/// Makes the row of a publisher's name.
pub(super) fn publisher(fields: &Fields, key: &PublicKey, name: &PublisherName) -> TantivyDocument {
    let mut row = TantivyDocument::default();
    row.add_text(fields.is, PUBLISHER);
    row.add_text(fields.key, key.to_string());
    row.add_text(fields.named, &name.name);
    row.add_u64(fields.named_ms, name.created_ms);
    row
}

/// Reads the canonical of a document or of a set, from `field`.
pub(super) fn canonical(field: Field, row: &TantivyDocument) -> Result<RecordId, TantivyError> {
    let text = text(row, field).ok_or_else(|| damaged("a document without canonical"))?;
    text.parse().map_err(damaged)
}

/// Reads the set of a document, and the document's hash.
pub(super) fn stored(fields: &Fields, row: &TantivyDocument) -> Result<Stored, TantivyError> {
    let bytes = |field, problem| {
        let value = row.get_first(field);
        value
            .as_ref()
            .and_then(Value::as_bytes)
            .map(Bytes::copy_from_slice)
            .ok_or_else(|| damaged(problem))
    };
    let set = Set::decode(bytes(fields.set, "a document without set")?).map_err(damaged)?;
    let hash = Id::from_slice(&bytes(fields.hash, "a document without hash")?).map_err(damaged)?;
    Ok(Stored { set, hash })
}

/// Reads a publisher's name.
pub(super) fn named(
    fields: &Fields,
    row: &TantivyDocument,
) -> Result<(PublicKey, PublisherName), TantivyError> {
    let key = text(row, fields.key).ok_or_else(|| damaged("a publisher without key"))?;
    let name = text(row, fields.named).ok_or_else(|| damaged("a publisher without name"))?;
    let created_ms = row
        .get_first(fields.named_ms)
        .as_ref()
        .and_then(Value::as_u64)
        .unwrap_or(0);
    Ok((
        key.parse().map_err(damaged)?,
        PublisherName {
            created_ms,
            name: name.to_owned(),
        },
    ))
}

/// The first value of a text field.
pub(super) fn text(row: &TantivyDocument, field: Field) -> Option<&str> {
    row.get_first(field).and_then(|value| value.as_str())
}

/// The order of documents with equal score or time: arbitrary, and the same in every index.
pub(crate) fn order(canonical: &RecordId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *canonical.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(super) fn damaged(problem: impl ToString) -> TantivyError {
    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(
        problem.to_string(),
    ))
}

/// Bytes from which an identifier is not indexed: a query of 1,000 characters cannot contain it.
const TERM_BYTES_MAX: usize = 4_096;
