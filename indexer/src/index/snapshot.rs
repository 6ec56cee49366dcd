//! Snapshots: one whole commit each. Later commits do not change a snapshot.

use std::{ops::Bound, sync::Arc};

use kittengrad_client_core::view::{document::Document, fold::fold};
use kittengrad_indexer_core::{Publishers, State, Stored};
use kittengrad_proto::id::RecordId;
use tantivy::{
    DocAddress, Searcher, TantivyDocument, TantivyError, Term,
    collector::{DocSetCollector, TopDocs},
    query::{RangeQuery, TermQuery},
    schema::{Field, IndexRecordOption, Value as _},
};

use super::{
    rows,
    schema::{DOCUMENT, Fields, PUBLISHER},
};

/// The documents of one commit, with the state that was committed with them.
pub struct Snapshot {
    pub(crate) searcher: Searcher,
    pub(crate) fields: Fields,
    /// The cursors whose fold the documents are, with counts and digest.
    pub state: State,
    /// The publishers' names.
    pub publishers: Arc<Publishers>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The fields of a document that a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The canonical's CID.
    pub canonical: String,
    /// `entity` or `artefact`; `None` while the canonical's record is absent.
    pub kind: Option<String>,
    /// The newest name.
    pub name: Option<String>,
    /// The identifier in the canonical's record.
    pub identifier: Option<String>,
    /// A line that tells the document from others of the same name.
    pub summary: String,
    /// Time of the newest head by its publisher's clock, in Unix milliseconds; 0 without a head.
    pub updated_ms: u64,
    /// Keys of the heads' publishers.
    pub publishers: Vec<String>,
}

impl Snapshot {
    /// Folds the document of a canonical; `None` if no element names it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn document(&self, canonical: &RecordId) -> Result<Option<Document>, TantivyError> {
        let stored = self.load(canonical)?;
        Ok(stored.map(|Stored { set, .. }| {
            fold(
                *canonical,
                set.record().map(|record| &record[..]),
                set.elements(),
            )
        }))
    }

    /// Reads the fields of a canonical's document that a list shows; `None` if no element names it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn brief(&self, canonical: &RecordId) -> Result<Option<Brief>, TantivyError> {
        self.find(self.fields.canonical, canonical)?
            .map(|at| self.brief_at(at))
            .transpose()
    }

    /// Calls `each` with every canonical and its set, until `each` returns false.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn for_each(
        &self,
        mut each: impl FnMut(RecordId, Stored) -> bool,
    ) -> Result<(), TantivyError> {
        for segment in self.searcher.segment_readers() {
            let store = segment.get_store_reader(STORE_CACHE_BLOCKS)?;
            for row in store.iter::<TantivyDocument>(segment.alive_bitset()) {
                let row = row?;
                if row.get_first(self.fields.of).is_none() {
                    continue;
                }
                if !each(
                    rows::canonical(self.fields.of, &row)?,
                    rows::stored(&self.fields, &row)?,
                ) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The query that matches every document, and no set or publisher.
    pub(crate) fn is_document(&self) -> TermQuery {
        TermQuery::new(
            Term::from_field_text(self.fields.is, DOCUMENT),
            IndexRecordOption::Basic,
        )
    }

    pub(crate) fn brief_at(&self, at: DocAddress) -> Result<Brief, TantivyError> {
        let row: TantivyDocument = self.searcher.doc(at)?;
        let text = |field| rows::text(&row, field).map(str::to_owned);
        let publishers = row
            .get_all(self.fields.publisher)
            .filter_map(|value| value.as_str());
        Ok(Brief {
            canonical: text(self.fields.canonical)
                .ok_or_else(|| rows::damaged("a document without canonical"))?,
            kind: text(self.fields.kind),
            name: text(self.fields.name),
            identifier: text(self.fields.identifier),
            summary: text(self.fields.summary).unwrap_or_default(),
            updated_ms: row
                .get_first(self.fields.updated_ms)
                .and_then(|value| value.as_u64())
                .unwrap_or(0),
            publishers: publishers.map(str::to_owned).collect(),
        })
    }

    pub(super) fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, TantivyError> {
        let Some(at) = self.find(self.fields.of, canonical)? else {
            return Ok(None);
        };
        rows::stored(&self.fields, &self.searcher.doc(at)?).map(Some)
    }

    pub(super) fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, TantivyError> {
        let least = Bound::Included(Term::from_field_u64(self.fields.absent, 1));
        let query = RangeQuery::new(least, Bound::Unbounded);
        let found = self.searcher.search(&query, &DocSetCollector)?;
        let mut canonicals = Vec::with_capacity(found.len().min(limit));
        for at in found.into_iter().take(limit) {
            canonicals.push(rows::canonical(
                self.fields.canonical,
                &self.searcher.doc(at)?,
            )?);
        }
        Ok(canonicals)
    }

    /// Reads the names of all publishers.
    pub(super) fn read_publishers(&self) -> Result<Publishers, TantivyError> {
        let is_publisher = Term::from_field_text(self.fields.is, PUBLISHER);
        let query = TermQuery::new(is_publisher, IndexRecordOption::Basic);
        let mut publishers = Publishers::default();
        for at in self.searcher.search(&query, &DocSetCollector)? {
            let (key, name) = rows::named(&self.fields, &self.searcher.doc(at)?)?;
            publishers.learn(key, name);
        }
        Ok(publishers)
    }

    /// The row that names `canonical` in `field`.
    fn find(&self, field: Field, canonical: &RecordId) -> Result<Option<DocAddress>, TantivyError> {
        let term = Term::from_field_text(field, &canonical.to_string());
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let found = self
            .searcher
            .search(&query, &TopDocs::with_limit(1).order_by_score())?;
        Ok(found.first().map(|(_, at)| *at))
    }
}

/// Decompressed blocks of the document store in memory while all sets are read in order.
const STORE_CACHE_BLOCKS: usize = 2;
