//! `GET /api/documents`: every document of one snapshot, a line each, and a last line with cursor and counts.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::{App, failure::Failure};
use crate::index::Snapshot;

/// A part of the list. An error closes the connection, so that a list that ends early does not look whole.
type Chunk = Result<Bytes, std::io::Error>;

pub(super) async fn documents(State(app): State<App>) -> Result<Response, Failure> {
    let Ok(permit) = Arc::clone(&app.0.lists).try_acquire_owned() else {
        return Err(Failure::busy());
    };
    let snapshot = app.snapshot();
    let (chunks, received) = mpsc::channel(CHUNKS_MAX);
    let chunks = Chunks {
        sender: chunks,
        runtime: Handle::current(),
    };
    // The task ends with its reader: sending fails when the body is dropped, or takes nothing for `TAKE_MAX`.
    tokio::task::spawn_blocking(move || {
        list(&snapshot, &chunks);
        drop(permit);
    });
    let body = Body::from_stream(ReceiverStream::new(received));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Sends chunks to the reader from a blocking thread.
struct Chunks {
    sender: mpsc::Sender<Chunk>,
    runtime: Handle,
}

impl Chunks {
    /// Waits until there is room for `chunk`. False if the reader left, or takes nothing for [`TAKE_MAX`].
    fn send(&self, chunk: Chunk) -> bool {
        let sent = async { timeout(TAKE_MAX, self.sender.send(chunk)).await };
        matches!(self.runtime.block_on(sent), Ok(Ok(())))
    }
}

fn list(snapshot: &Arc<Snapshot>, chunks: &Chunks) {
    let (mut buffer, mut documents, mut updates) = (Vec::new(), 0_u64, 0_u64);
    let mut is_read = true;
    let read = snapshot.for_each(|canonical, stored| {
        let cids: Vec<String> = stored
            .set
            .elements()
            .keys()
            .map(ToString::to_string)
            .collect();
        (documents, updates) = (documents + 1, updates + cids.len() as u64);
        write_line(
            &mut buffer,
            &json!({ "canonical": canonical.to_string(), "updates": cids }),
        );
        if buffer.len() >= CHUNK_BYTES {
            is_read = chunks.send(Ok(std::mem::take(&mut buffer).into()));
        }
        is_read
    });
    match read {
        Ok(()) if is_read => {
            let cursor = snapshot
                .state
                .cursors
                .current()
                .map(|cursor| cursor.to_string());
            let last = json!({ "cursor": cursor, "documents": documents, "updates": updates });
            write_line(&mut buffer, &last);
            // A reader that left does not need the rest.
            let _ = chunks.send(Ok(buffer.into()));
        }
        Ok(()) => {}
        Err(error) => {
            tracing::error!(%error, "reading the index failed; the list of all documents is cut off");
            let _ = chunks.send(Err(std::io::Error::other(error)));
        }
    }
}

fn write_line(buffer: &mut Vec<u8>, line: &serde_json::Value) {
    buffer.extend_from_slice(line.to_string().as_bytes());
    buffer.push(b'\n');
}

/// Bytes from which a chunk is sent.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest time that a reader may take nothing.
const TAKE_MAX: Duration = Duration::from_secs(30);
/// Chunks that wait for a slow reader.
const CHUNKS_MAX: usize = 4;
