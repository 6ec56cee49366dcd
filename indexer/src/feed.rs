//! The feed: the new elements of each commit, for all subscribers.

use std::sync::Arc;

use kittengrad_client_core::view::{
    document::{Claim, Document},
    json::PublisherNames as _,
};
use kittengrad_indexer_core::{Changed, Commit, News, Publishers};
use kittengrad_proto::id::RecordId;
use serde::Serialize;
use tokio::sync::broadcast;

/// Most elements in the batch of one commit. Older elements of a larger commit are only counted.
pub const ELEMENTS_MAX: usize = 100;
/// Commits that wait for a slow reader. A reader that is further behind is dropped.
pub const COMMITS_MAX: usize = 64;

/// The new elements of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// The newest elements, in the order of the journal.
    pub elements: Vec<FeedElement>,
    /// Number of older elements that are left out.
    pub skipped: usize,
    /// Documents in the index.
    pub documents: u64,
    /// Updates and retractions in all documents.
    pub updates: u64,
    /// The last processed block of the followed journal.
    pub cursor: Option<String>,
}

/// An element that the index did not have before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeedElement {
    /// The canonical's CID.
    pub canonical: String,
    /// CID of the update or retraction; `None` for a bare insert.
    pub update: Option<String>,
    /// `entity` or `artefact`; `None` while the canonical's record is absent.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// The newest name of the canonical.
    pub name: Option<String>,
    /// The identifier in the canonical's record.
    pub identifier: Option<String>,
    /// `inserted`, `said`, `retracted`, or `absent` while the record is absent or unusable.
    pub what: &'static str,
    /// Key of the transaction's publisher.
    pub publisher: String,
    /// The publisher's name in its certificate.
    pub publisher_name: Option<String>,
    /// Time of the block, in Unix milliseconds.
    pub time_ms: u64,
    /// The block that added the element.
    pub cursor: String,
}

/// The channel of batches.
#[derive(Debug, Clone)]
pub struct Feed(broadcast::Sender<Arc<Batch>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(COMMITS_MAX))
    }
}

impl Feed {
    /// Subscribes to all later commits.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.0.subscribe()
    }

    /// Sends the batch of a commit, if there are subscribers and documents changed.
    pub fn tell(&self, commit: &Commit, publishers: &Publishers) {
        if self.0.receiver_count() > 0 && !commit.changed.is_empty() {
            // Sending fails if the last reader has just left.
            let _ = self.0.send(Arc::new(batch(commit, publishers)));
        }
    }
}

fn batch(commit: &Commit, publishers: &Publishers) -> Batch {
    let skipped = commit.news.len().saturating_sub(ELEMENTS_MAX);
    let counts = commit.state.counts;
    Batch {
        elements: commit.news[skipped..]
            .iter()
            .map(|news| element(news, commit, publishers))
            .collect(),
        skipped,
        documents: counts.documents,
        updates: counts.updates,
        cursor: commit
            .state
            .cursors
            .current()
            .map(|cursor| cursor.to_string()),
    }
}

fn element(news: &News, commit: &Commit, publishers: &Publishers) -> FeedElement {
    let document = document_of(&commit.changed, &news.canonical);
    FeedElement {
        canonical: news.canonical.to_string(),
        update: news.update.map(|update| update.to_string()),
        kind: document.and_then(Document::kind).map(|kind| kind.as_str()),
        name: document.and_then(Document::name).map(str::to_owned),
        identifier: document.and_then(Document::identifier).map(str::to_owned),
        what: document.map_or("absent", |document| event_kind(document, news)),
        publisher: news.publisher.to_string(),
        publisher_name: publishers.name(&news.publisher).map(str::to_owned),
        time_ms: news.time_ms,
        cursor: news.cursor.to_string(),
    }
}

fn document_of<'a>(changed: &'a [Changed], canonical: &RecordId) -> Option<&'a Document> {
    let at = changed
        .binary_search_by_key(canonical, |changed| changed.document.canonical)
        .ok()?;
    Some(&changed[at].document)
}

fn event_kind(document: &Document, news: &News) -> &'static str {
    let Some(update) = news.update else {
        return "inserted";
    };
    let statement = document
        .statements
        .iter()
        .find(|statement| statement.id == update);
    match statement.map(|statement| &statement.claim) {
        Some(Claim::Update { .. }) => "said",
        Some(Claim::Retraction { .. }) => "retracted",
        Some(Claim::Absent | Claim::Unusable) | None => "absent",
    }
}
