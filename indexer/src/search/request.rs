//! A search and its answer.

use std::sync::Arc;

use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::CanonicalType,
};
use tantivy::TantivyError;
use thiserror::Error;

use crate::index::{Brief, Snapshot};

/// Characters of a query.
pub const QUERY_CHARS_MAX: usize = 1_000;
/// Hits of one page.
pub const LIMIT_MAX: usize = 100;
/// Hits of one page unless asked otherwise.
pub const LIMIT_DEFAULT: usize = 20;

/// Why a search has no answer.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The query is too long.
    #[error("the query has {0} characters, at most {QUERY_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// Too many hits were asked for, or none.
    #[error("limit is {0}, it must be 1 to {LIMIT_MAX}")]
    Limit(usize),
    /// `next` is not from an answer to the same search.
    #[error("next is not from an answer to this search; search again without it")]
    Next,
    /// The index failed.
    #[error("the index cannot be read: {0}")]
    Index(#[from] TantivyError),
}

/// What is searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Words, as a person types them; nothing lists everything, the newest first.
    pub words: String,
    /// Only this type.
    pub kind: Option<CanonicalType>,
    /// Who was asked for: a key or a name, which may be that of several.
    pub publisher: String,
    /// Only what one of these says something about today.
    pub publishers: Option<Vec<PublicKey>>,
    /// Only what links to this canonical.
    pub links_to: Option<RecordId>,
}

/// One page of hits.
#[derive(Debug, Clone)]
pub struct Found {
    /// The snapshot that was searched.
    pub snapshot: Arc<Snapshot>,
    /// Hits over all pages.
    pub total: usize,
    /// The hits of this page, the best first.
    pub hits: Vec<Hit>,
    /// Asks for the next page, if there is one.
    pub next: Option<String>,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What is shown of it.
    pub brief: Brief,
    /// How well it fits: comparable within one search only. 0 when nothing was searched for.
    pub score: f32,
}

/// How many documents of a search have each type, and each publisher.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// entity, artefact; the most frequent first.
    pub types: Vec<(String, u64)>,
    /// Keys of publishers; the most frequent first, at most [`FACETS_MAX`].
    pub publishers: Vec<(String, u64)>,
}

/// Values of one facet.
pub const FACETS_MAX: usize = 20;
