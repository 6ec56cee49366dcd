//! The state of an indexer, for the status page and for readiness.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{index::Snapshot, source::SourceStatus};

/// Makes the JSON of `/status`.
pub(crate) fn status_page(snapshot: &Snapshot, source: &SourceStatus) -> Value {
    let state = &snapshot.state;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "role": "indexer",
        "namespace": state.overlay.namespace.as_str(),
        "network": state.overlay.network.to_string(),
        "documents": state.counts.documents,
        "updates": state.counts.updates,
        "absent": state.counts.absent,
        "digest": state.digest.to_string(),
        "cursor": state.cursors.current().map(|cursor| cursor.to_string()),
        "source": {
            "journal": source.journal.map(|key| key.to_string()),
            "connected": source.is_connected,
            "problem": source.problem,
        },
        "not_ready": not_ready(snapshot, source),
    })
}

/// Lists the reasons why this indexer is not ready. Empty if it is ready.
pub(crate) fn not_ready(snapshot: &Snapshot, source: &SourceStatus) -> Vec<String> {
    let journal = source.journal;
    let committed = journal.and_then(|journal| snapshot.state.cursors.of(&journal));
    source.not_ready(committed, Instant::now())
}
