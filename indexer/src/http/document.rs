//! `GET /api/document/CID`: who said what about a canonical, and when.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use kittengrad_indexer_core::Document;
use kittengrad_proto::id::RecordId;
use tantivy::TantivyError;

use super::{
    App,
    failure::Failure,
    statements::{DocumentJson, Linked},
};
use crate::index::Snapshot;

pub(super) async fn document(
    State(app): State<App>,
    Path(cid): Path<String>,
) -> Result<Response, Failure> {
    let canonical: RecordId = cid.parse().map_err(Failure::bad_request)?;
    let json = app
        .read(move |_, snapshot| Ok(render(&snapshot, &canonical)?))
        .await?;
    let unknown = || Failure::not_found(format!("nothing is known about {canonical}"));
    let json = json.ok_or_else(unknown)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

fn render(snapshot: &Snapshot, canonical: &RecordId) -> Result<Option<Vec<u8>>, TantivyError> {
    let Some(document) = snapshot.document(canonical)? else {
        return Ok(None);
    };
    let linked = linked(snapshot, &document)?;
    let json = DocumentJson {
        document: &document,
        publishers: &snapshot.publishers,
        linked: &linked,
    };
    serde_json::to_vec(&json)
        .map(Some)
        .map_err(|error| TantivyError::InternalError(error.to_string()))
}

/// What the targets of the document's links are called; of many only the first.
fn linked(
    snapshot: &Snapshot,
    document: &Document,
) -> Result<BTreeMap<String, Linked>, TantivyError> {
    let mut linked = BTreeMap::new();
    for link in document.links().into_iter().take(LINKED_MAX) {
        if let Some(brief) = snapshot.brief(&link.to)? {
            let target = Linked {
                name: brief.name,
                kind: brief.kind,
                identifier: brief.identifier,
            };
            linked.insert(brief.canonical, target);
        }
    }
    Ok(linked)
}

/// Targets of links that are named.
const LINKED_MAX: usize = 100;
