//! Pending: the sets that were touched since the last commit, and the commit that they become.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_client_core::view::{document::Document, fold::fold};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::{
    cursor::Cursor,
    id::{Id, PublicKey, RecordId},
};

use crate::{
    digest::document_hash,
    publisher::PublisherName,
    set::Set,
    state::State,
    store::{Store, StoreError, Stored},
};

/// Everything that the store writes in one step, whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Documents to write, each in place of the one with the same canonical.
    pub changed: Vec<Changed>,
    /// Names to write, each in place of the one with the same key.
    pub publishers: Vec<(PublicKey, PublisherName)>,
    /// The state after this commit.
    pub state: State,
    /// New elements, in the order of the journal.
    pub news: Vec<News>,
}

/// A document to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The fold of `set`.
    pub document: Document,
    /// The set that the document is folded from.
    pub set: Set,
    /// The document's hash, as added to the digest.
    pub hash: Id,
    /// Whether the store has an older document to replace.
    pub replaces: bool,
}

/// An element that this index did not have before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The canonical.
    pub canonical: RecordId,
    /// The update or retraction; `None` for a bare insert.
    pub update: Option<RecordId>,
    /// Key of the transaction's publisher.
    pub publisher: PublicKey,
    /// The block that added the element.
    pub cursor: Cursor,
    /// Time of that block, in Unix milliseconds.
    pub time_ms: u64,
}

/// The sets touched since the last commit. Each is read from the store once, at the first touch.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    sets: BTreeMap<RecordId, Touched>,
    pub(crate) publishers: BTreeSet<PublicKey>,
    pub(crate) news: Vec<News>,
    pub(crate) has_moved: bool,
    loaded_bytes: usize,
    pub(crate) added_bytes: usize,
}

/// A set, and the counts of its committed version.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) set: Set,
    before: Option<Before>,
    pub(crate) is_changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Before {
    hash: Id,
    updates: usize,
    absent: usize,
}

impl Touched {
    fn new(stored: Option<Stored>) -> Self {
        match stored {
            None => Self {
                set: Set::default(),
                before: None,
                is_changed: false,
            },
            Some(Stored { set, hash }) => {
                let before = Before {
                    hash,
                    updates: set.elements().len(),
                    absent: set.absent_count(),
                };
                Self {
                    set,
                    before: Some(before),
                    is_changed: false,
                }
            }
        }
    }

    /// Whether any element named this canonical before.
    pub(crate) const fn is_known(&self) -> bool {
        self.before.is_some() || self.is_changed
    }
}

impl Pending {
    pub(crate) fn touch(
        &mut self,
        canonical: RecordId,
        store: &dyn Store,
    ) -> Result<&mut Touched, StoreError> {
        // The borrow checker forces two look-ups; the second one does not load.
        if !self.sets.contains_key(&canonical) {
            let touched = Touched::new(store.load(&canonical)?);
            self.loaded_bytes += touched.set.weight_bytes();
            self.sets.insert(canonical, touched);
        }
        Ok(self
            .sets
            .entry(canonical)
            .or_insert_with(|| Touched::new(None)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.has_moved
            && self.publishers.is_empty()
            && !self.sets.values().any(|touched| touched.is_changed)
    }

    pub(crate) const fn weight_bytes(&self) -> usize {
        self.loaded_bytes + self.added_bytes
    }

    /// Folds the changed sets, and updates counts and digest in `state`.
    pub(crate) fn fold(self, state: &mut State, plants: Plants) -> Vec<Changed> {
        let changed = self
            .sets
            .into_iter()
            .filter(|(_, touched)| touched.is_changed);
        changed
            .map(|(canonical, touched)| refold(canonical, touched, state, plants))
            .collect()
    }
}

fn refold(canonical: RecordId, touched: Touched, state: &mut State, plants: Plants) -> Changed {
    let Touched { set, before, .. } = touched;
    let document = fold(
        canonical,
        set.record().map(|record| &record[..]),
        set.elements(),
    );
    let hash = document_hash(&document);
    let counts = &mut state.counts;
    match before {
        Some(before) => {
            if !plants.has(Plant::IndexDigestGrows) {
                state.digest.remove(&before.hash);
            }
            counts.updates -= before.updates as u64;
            counts.absent -= before.absent as u64;
        }
        None => counts.documents += 1,
    }
    state.digest.add(&hash);
    counts.updates += set.elements().len() as u64;
    counts.absent += set.absent_count() as u64;
    Changed {
        document,
        set,
        hash,
        replaces: before.is_some(),
    }
}
