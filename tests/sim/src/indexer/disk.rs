//! An index in memory: documents and state, committed together.

use std::collections::BTreeMap;

use kittengrad_indexer_core::{
    Commit, PublisherName, Publishers, State, Store, StoreError, Stored,
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    namespace::Overlay,
    transaction::Element,
};

/// The disk of an indexer.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexDisk {
    pub(crate) sets: BTreeMap<RecordId, Stored>,
    publishers: BTreeMap<PublicKey, PublisherName>,
    state: Option<State>,
}

impl IndexDisk {
    /// The last committed state.
    pub(crate) fn state(&self, overlay: &Overlay) -> State {
        let state = self.state.clone();
        state.unwrap_or_else(|| State::new(overlay.clone()))
    }

    /// Whether an element is in the sets.
    pub(crate) fn has(&self, element: &Element) -> bool {
        let stored = self.sets.get(&element.canonical);
        stored.is_some_and(|stored| {
            element
                .update
                .is_none_or(|update| stored.set.elements().contains_key(&update))
        })
    }

    /// The committed names of publishers.
    pub(crate) fn publishers(&self) -> Publishers {
        let mut publishers = Publishers::default();
        for (key, name) in &self.publishers {
            publishers.learn(*key, name.clone());
        }
        publishers
    }

    /// Commits documents, names and state at once.
    pub(crate) fn commit(&mut self, commit: Commit) {
        for changed in commit.changed {
            let (set, hash) = (changed.set, changed.hash);
            self.sets
                .insert(changed.document.canonical, Stored { set, hash });
        }
        self.publishers.extend(commit.publishers);
        self.state = Some(commit.state);
    }
}

impl Store for IndexDisk {
    fn load(&self, canonical: &RecordId) -> Result<Option<Stored>, StoreError> {
        Ok(self.sets.get(canonical).cloned())
    }

    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        let sets = self.sets.iter();
        let incomplete = sets.filter(|(_, stored)| stored.set.absent_count() > 0);
        Ok(incomplete.map(|(id, _)| *id).take(limit).collect())
    }
}
