//! `GET /api/documents`: every document of one snapshot, a line each, and a last line that says which it was.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{App, failure::Failure};
use crate::index::Snapshot;

/// What is sent on; an error breaks the connection off, so that a list that ends early does not look whole.
type Chunk = Result<Bytes, std::io::Error>;

pub(super) async fn documents(State(app): State<App>) -> Result<Response, Failure> {
    let Ok(permit) = Arc::clone(&app.0.lists).try_acquire_owned() else {
        return Err(Failure::busy());
    };
    let snapshot = app.snapshot();
    let (chunks, received) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        list(&snapshot, &chunks);
        drop(permit);
    });
    let body = Body::from_stream(ReceiverStream::new(received));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn list(snapshot: &Arc<Snapshot>, chunks: &mpsc::Sender<Chunk>) {
    let (mut buffer, mut documents, mut updates) = (Vec::new(), 0_u64, 0_u64);
    let mut is_heard = true;
    let read = snapshot.for_each(|canonical, stored| {
        let said: Vec<String> = stored
            .set
            .elements()
            .keys()
            .map(ToString::to_string)
            .collect();
        (documents, updates) = (documents + 1, updates + said.len() as u64);
        write_line(
            &mut buffer,
            &json!({ "canonical": canonical.to_string(), "updates": said }),
        );
        if buffer.len() >= CHUNK_BYTES {
            is_heard = chunks
                .blocking_send(Ok(std::mem::take(&mut buffer).into()))
                .is_ok();
        }
        is_heard
    });
    match read {
        Ok(()) if is_heard => {
            let cursor = snapshot
                .state
                .cursors
                .current()
                .map(|cursor| cursor.to_string());
            let last = json!({ "cursor": cursor, "documents": documents, "updates": updates });
            write_line(&mut buffer, &last);
            // Whoever left early does not want the rest.
            let _ = chunks.blocking_send(Ok(buffer.into()));
        }
        Ok(()) => {}
        Err(error) => {
            tracing::error!(%error, "the list of all documents broke off");
            let _ = chunks.blocking_send(Err(std::io::Error::other(error)));
        }
    }
}

fn write_line(buffer: &mut Vec<u8>, line: &serde_json::Value) {
    buffer.extend_from_slice(line.to_string().as_bytes());
    buffer.push(b'\n');
}

/// Bytes that are sent at a time, about.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const CHUNKS_MAX: usize = 4;
