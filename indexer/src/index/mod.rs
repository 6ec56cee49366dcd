//! The index: documents, publishers' names and state, stored by Tantivy and committed together.
//!
//! A commit is one rename of Tantivy's `meta.json`. Its payload is the [`State`]. So if the process dies at any moment,
//! the documents on the disk are exactly the fold of the journal up to the cursor in that state.

mod checked;
mod open;
mod rows;
pub(crate) mod schema;
mod snapshot;
pub(crate) mod words;

use std::sync::Arc;

use kittengrad_indexer_core::{
    Changed, Commit, PublisherName, Publishers, State, Store, StoreError, Stored,
};
use kittengrad_proto::id::{PublicKey, RecordId};
use tantivy::{IndexReader, IndexWriter, TantivyDocument, Term, schema::Field};
use thiserror::Error;

pub use open::{IndexOptions, Lock, OpenError};
pub use snapshot::{Brief, Snapshot};

use schema::Fields;

/// Why a write failed. The last commit is on the disk. The process must end and start again.
#[derive(Debug, Error)]
#[error("index: {action} failed: {source}; everything up to the last commit is on the disk")]
pub struct IndexError {
    action: &'static str,
    source: Box<tantivy::TantivyError>,
}

impl IndexError {
    fn at(action: &'static str) -> impl FnOnce(tantivy::TantivyError) -> Self {
        move |source| Self {
            action,
            source: Box::new(source),
        }
    }
}

/// The writer of an index, and the snapshot of its last commit.
pub struct Index {
    fields: Fields,
    reader: IndexReader,
    writer: IndexWriter,
    snapshot: Arc<Snapshot>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("state", &self.snapshot.state)
            .finish_non_exhaustive()
    }
}

impl Index {
    /// The snapshot of the last commit.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Writes a commit to the disk, whole or not at all, and makes its snapshot.
    ///
    /// # Errors
    /// If the disk fails or is full. The index must not be used any more. The commit before is on the disk.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), IndexError> {
        // Documents first and sets after them, so that they lie apart on the disk.
        for changed in &commit.changed {
            self.replace(
                self.fields.canonical,
                rows::document(&self.fields, changed),
                changed,
            )?;
        }
        for changed in &commit.changed {
            self.replace(self.fields.of, rows::set(&self.fields, changed), changed)?;
        }
        for (key, name) in &commit.publishers {
            self.rename(key, name)?;
        }
        let mut prepared = self
            .writer
            .prepare_commit()
            .map_err(IndexError::at("writing"))?;
        prepared.set_payload(&commit.state.encode());
        prepared.commit().map_err(IndexError::at("committing"))?;
        self.reader
            .reload()
            .map_err(IndexError::at("reading back"))?;
        let mut publishers = Arc::clone(&self.snapshot.publishers);
        if !commit.publishers.is_empty() {
            let known = Arc::make_mut(&mut publishers);
            for (key, name) in &commit.publishers {
                known.learn(*key, name.clone());
            }
        }
        self.snapshot = Arc::new(Snapshot {
            searcher: self.reader.searcher(),
            fields: self.fields,
            state: commit.state.clone(),
            publishers,
        });
        Ok(())
    }

    /// Commits `state` without documents, in a new index.
    fn begin(&mut self, state: &State) -> Result<(), IndexError> {
        let nothing = Commit {
            changed: Vec::new(),
            publishers: Vec::new(),
            state: state.clone(),
            news: Vec::new(),
        };
        self.commit(&nothing)
    }

    /// Writes a row in place of the one that names the same canonical in `field`.
    fn replace(
        &self,
        field: Field,
        row: TantivyDocument,
        changed: &Changed,
    ) -> Result<(), IndexError> {
        if changed.replaces {
            let canonical = changed.document.canonical.to_string();
            self.writer
                .delete_term(Term::from_field_text(field, &canonical));
        }
        self.add(row)
    }

    fn rename(&self, key: &PublicKey, name: &PublisherName) -> Result<(), IndexError> {
        self.writer
            .delete_term(Term::from_field_text(self.fields.key, &key.to_string()));
        self.add(rows::publisher(&self.fields, key, name))
    }

    fn add(&self, row: TantivyDocument) -> Result<(), IndexError> {
        self.writer
            .add_document(row)
            .map(|_| ())
            .map_err(IndexError::at("adding a document"))
    }

    /// The publishers' names of the last commit.
    #[must_use]
    pub fn publishers(&self) -> &Publishers {
        &self.snapshot.publishers
    }
}

impl Store for Index {
    fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, StoreError> {
        self.snapshot
            .load(canonical)
            .map_err(|error| StoreError(error.to_string()))
    }

    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        self.snapshot
            .incomplete(limit)
            .map_err(|error| StoreError(error.to_string()))
    }
}
