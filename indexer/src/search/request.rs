//! A search and its answer.

use std::sync::Arc;

use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::CanonicalType,
};
use tantivy::TantivyError;
use thiserror::Error;

use crate::index::{Brief, Snapshot};

/// Most characters of a query.
pub const QUERY_CHARS_MAX: usize = 1_000;
/// Most hits of one page.
pub const LIMIT_MAX: usize = 100;
/// Hits of one page by default.
pub const LIMIT_DEFAULT: usize = 20;

/// Why a search has no answer.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The query is too long.
    #[error("query of {0} characters; at most {QUERY_CHARS_MAX}")]
    TooLong(usize),
    /// The limit is zero or too large.
    #[error("limit is {0}; it must be 1 to {LIMIT_MAX}")]
    Limit(usize),
    /// `next` is not from an answer to the same search.
    #[error("next is not from an answer to this search; search again without it")]
    Next,
    /// The index cannot be read.
    #[error("the index cannot be read: {0}")]
    Index(#[from] TantivyError),
}

/// The parameters of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The typed text. Empty text matches every document, the newest first.
    pub words: String,
    /// Only documents of this type.
    pub kind: Option<CanonicalType>,
    /// The typed publisher: a key, or a name that several may share.
    pub publisher: String,
    /// Only documents with a head of one of these publishers.
    pub publishers: Option<Vec<PublicKey>>,
    /// Only documents with a link to this canonical.
    pub links_to: Option<RecordId>,
}

/// One page of hits.
#[derive(Debug, Clone)]
pub struct Found {
    /// The snapshot that was searched.
    pub snapshot: Arc<Snapshot>,
    /// Number of hits over all pages.
    pub total: usize,
    /// The hits of this page, the best first.
    pub hits: Vec<Hit>,
    /// The token of the next page; `None` on the last page.
    pub next: Option<String>,
}

/// A found document.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its fields for a list.
    pub brief: Brief,
    /// The score: comparable within one search only. 0 without words.
    pub score: f32,
}

/// Numbers of documents of a search, by type and by publisher.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// `entity` and `artefact`; the most frequent first.
    pub types: Vec<(String, u64)>,
    /// Keys of publishers; the most frequent first, at most [`FACETS_MAX`].
    pub publishers: Vec<(String, u64)>,
}

/// Most values of one facet.
pub const FACETS_MAX: usize = 20;
