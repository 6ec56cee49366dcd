//! `GET /api/document/CID`: all statements about a canonical, with publishers and times.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use kittengrad_client_core::view::{document::Document, json::DocumentJson};
use kittengrad_proto::id::RecordId;
use serde::Serialize;
use tantivy::TantivyError;

use super::{App, failure::Failure};
use crate::index::Snapshot;

pub(super) async fn document(
    State(app): State<App>,
    Path(cid): Path<String>,
) -> Result<Response, Failure> {
    let canonical: RecordId = cid.parse().map_err(Failure::bad_request)?;
    let json = app
        .read(move |_, snapshot| Ok(render(&snapshot, &canonical)?))
        .await?;
    let unknown = || Failure::not_found(format!("no document of {canonical} in this index"));
    let json = json.ok_or_else(unknown)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// A document, and the documents that it links to.
#[derive(Serialize)]
struct DocumentPage<'a> {
    #[serde(flatten)]
    document: DocumentJson<'a>,
    /// By CID. Unknown targets are left out.
    linked: &'a BTreeMap<String, Linked>,
}

/// The target of a link.
#[derive(Serialize)]
struct Linked {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    identifier: Option<String>,
}

fn render(snapshot: &Snapshot, canonical: &RecordId) -> Result<Option<Vec<u8>>, TantivyError> {
    let Some(document) = snapshot.document(canonical)? else {
        return Ok(None);
    };
    let linked = linked(snapshot, &document)?;
    let page = DocumentPage {
        document: DocumentJson::new(&document, &*snapshot.publishers),
        linked: &linked,
    };
    serde_json::to_vec(&page)
        .map(Some)
        .map_err(|error| TantivyError::InternalError(error.to_string()))
}

/// Names, types and identifiers of the first [`LINKED_MAX`] link targets.
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

/// Most link targets with name, type and identifier.
const LINKED_MAX: usize = 100;
