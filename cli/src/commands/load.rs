//! Loading a demo: waits for the peers, loads records, and waits until all of them can be searched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::bail;
use kittengrad_client::pauses::Pauses;
use kittengrad_client_core::map::Map;
use kittengrad_proto::certificate::Role;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    client::{
        Session,
        ingest::{self, Kept},
    },
    http::{self, POLL},
};
use crate::{
    output::{self, text::count},
    prepare::Prepared,
};

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Timeout of a request for all documents.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(120);

/// Something to load, with its map.
pub(crate) struct DemoInput {
    pub(crate) map: Map,
    pub(crate) source: ingest::Source,
    /// Whether it is our own sample. Then only canonicals without statements of its publishers are loaded, so that a
    /// continued demo does not undo later statements.
    pub(crate) is_sample: bool,
}

/// Waits until every peer says that it is ready.
pub(crate) async fn until_settled(prepared: &Prepared) -> anyhow::Result<()> {
    let client = http::client(PATIENCE)?;
    for config in prepared.peer_configs() {
        let folder = config.parent().unwrap_or(&prepared.dir);
        let identity = prepared.member(folder, Role::Peer)?;
        let url = format!("http://{}/readyz", identity.addresses.http);
        let mut pauses = Pauses::new(POLL);
        while !client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            sleep(pauses.after_failure()).await;
        }
    }
    Ok(())
}

/// Loads everything, and waits until the index has all that was not refused.
pub(crate) async fn load_and_wait(
    prepared: &Prepared,
    inputs: Vec<DemoInput>,
) -> anyhow::Result<()> {
    let session = Session::load(&prepared.client_config())?;
    let kept = Arc::new(Mutex::new(Kept::new()));
    let mut rejects = ingest::Rejects::at(prepared.dir.join("rejects.ndjson"));
    for input in inputs {
        load_one(&session, input, &kept, &mut rejects).await?;
    }
    rejects.clear();
    let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    output::say(&format!(
        "waiting until {} can be searched",
        count(kept.len() as u64, "canonical")
    ));
    until_indexed(prepared, &kept).await
}

async fn load_one(
    session: &Session,
    input: DemoInput,
    kept: &Arc<Mutex<Kept>>,
    rejects: &mut ingest::Rejects,
) -> anyhow::Result<()> {
    let DemoInput {
        map,
        source,
        is_sample,
    } = input;
    let publisher = session
        .client
        .publisher(map.publisher())
        .ok_or_else(|| session.no_publisher(map.publisher()))?
        .key();
    let job = ingest::Job::new(session.client.clone(), publisher, map).keeping(kept);
    let job = if is_sample { job.first_word() } else { job };
    let name = output::text::clean(source.name());
    let mut progress = ingest::Progress::begin(&source);
    let loaded = ingest::load(&job, source, rejects, &mut progress).await;
    progress.end();
    let written = rejects.written().filter(|_| loaded.counts.refused > 0);
    let written = written.map(|path| format!("; refused lines are in {path}"));
    output::say(&format!(
        "  {name}: {}{}",
        loaded.counts.text(),
        written.unwrap_or_default()
    ));
    if let Some(failure) = loaded.failures.into_iter().next() {
        return Err(failure);
    }
    if is_sample && loaded.counts.refused > 0 {
        bail!(
            "{} of {name} refused; reasons are in {} and in demo.log; the same command loads the missing lines again",
            count(loaded.counts.refused, "line"),
            rejects.path().display()
        );
    }
    Ok(())
}

/// Waits until the index has a document of each canonical, with all its updates.
async fn until_indexed(prepared: &Prepared, kept: &Kept) -> anyhow::Result<()> {
    let indexer = prepared.member(&prepared.dir.join("indexer"), Role::Indexer)?;
    let url = format!("http://{}/api/documents", indexer.addresses.http);
    let client = http::client(PATIENCE_FOR_ALL)?;
    let mut missing = Missing::of(kept);
    let mut pauses = Pauses::new(POLL);
    while !missing.0.is_empty() {
        if let Ok(answer) = client.get(&url).send().await {
            for line in answer.text().await.unwrap_or_default().lines() {
                missing.found(&serde_json::from_str(line).unwrap_or_default());
            }
        }
        if !missing.0.is_empty() {
            sleep(pauses.after_failure()).await;
        }
    }
    Ok(())
}

/// Updates that the index does not show yet, by their canonicals.
struct Missing(BTreeMap<String, BTreeSet<String>>);

impl Missing {
    fn of(kept: &Kept) -> Self {
        let updates = |updates: &BTreeSet<_>| updates.iter().map(ToString::to_string).collect();
        let kept = kept.iter();
        Self(
            kept.map(|(canonical, all)| (canonical.to_string(), updates(all)))
                .collect(),
        )
    }

    /// Takes a document into account, as the index lists it.
    fn found(&mut self, document: &Value) {
        let canonical = document["canonical"].as_str().unwrap_or_default();
        let Some(missing) = self.0.get_mut(canonical) else {
            return;
        };
        let updates = document["updates"].as_array().into_iter().flatten();
        for update in updates.filter_map(Value::as_str) {
            missing.remove(update);
        }
        if missing.is_empty() {
            self.0.remove(canonical);
        }
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::id::RecordId;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_canonical_is_indexed_when_all_its_updates_are() {
        let id = |number| RecordId::new([number; 32]);
        let kept = Kept::from([
            (id(1), BTreeSet::from([id(10), id(11)])),
            (id(2), BTreeSet::from([id(20)])),
        ]);
        let mut missing = Missing::of(&kept);
        let document = |canonical: u8, updates: &[u8]| {
            let updates: Vec<_> = updates.iter().map(|n| id(*n).to_string()).collect();
            json!({"canonical": id(canonical).to_string(), "updates": updates})
        };
        missing.found(&document(1, &[10]));
        missing.found(&document(3, &[30]));
        missing.found(&json!({"cursor": "x", "documents": 2, "updates": 3}));
        assert_eq!(missing.0.len(), 2);
        missing.found(&document(1, &[10, 11, 12]));
        missing.found(&document(2, &[20]));
        assert!(missing.0.is_empty());
    }
}
