//! `GET /api/feed`: the new elements of each commit, as server-sent events.
//!
//! ```text
//! event: hello     {"documents","updates","cursor"}                once
//! event: commit    {"elements":[...],"skipped","documents","updates","cursor"}
//! event: dropped   {"missed"}                                      the last one: the reader was too slow
//! ```

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt as _, stream};
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};

use super::{App, failure::Failure};
use crate::feed::Batch;

type Events = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;

pub(super) async fn feed(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let parts = &app.0.parts;
    let Ok(seat) = Arc::clone(&app.0.readers).try_acquire_owned() else {
        return Err(Failure::busy());
    };
    let reader = Reader {
        batches: parts.feed.subscribe(),
        app: app.clone(),
        is_over: false,
        _counted: Counted::new(&parts.metrics.feed_readers),
        _seat: seat,
    };
    let state = &app.snapshot().state;
    let hello = json!({
        "documents": state.counts.documents,
        "updates": state.counts.updates,
        "cursor": state.cursors.current().map(|cursor| cursor.to_string()),
    });
    let hello = event("hello", &hello);
    let batches = stream::unfold(reader, |mut reader| async {
        Some((reader.next().await?, reader))
    });
    let shutdown = parts.shutdown.clone();
    let events = stream::once(async { hello }).chain(batches);
    let events: Events = Box::pin(events.map(Ok).take_until(shutdown.cancelled_owned()));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Reader {
    batches: Receiver<Arc<Batch>>,
    app: App,
    is_over: bool,
    _counted: Counted,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        match self.batches.recv().await {
            Ok(batch) => Some(event("commit", &*batch)),
            Err(RecvError::Lagged(missed)) => {
                self.is_over = true;
                self.app.0.parts.metrics.feed_dropped.inc();
                Some(event("dropped", &json!({ "missed": missed })))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

/// Counts a reader until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An event with data on one line: compact JSON has no line breaks outside strings, and escapes them inside.
fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

/// Time between the comments of a quiet feed. Without them a proxy would close the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
