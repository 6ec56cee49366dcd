//! A disk in memory that keeps synced data, or lies about it, or rots, and can be restored from an older copy.

mod families;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kittengrad_journal::{MemoryStore, RowKey, StoreError, Write};
use kittengrad_proto::{block::Head, transaction::Element};

use crate::random::Random;

/// A disk. It answers as the plain [`MemoryStore`] does, except for a rotten row.
#[derive(Debug, Default)]
pub struct SimDisk {
    store: MemoryStore,
    /// All commits since the disk was new, if it remembers.
    commits: Vec<Arc<Vec<Write>>>,
    remembers: bool,
    /// The first commit that the disk lies about: it reports it as synced, and loses it when the power goes.
    lies_from: Option<usize>,
    /// The row in which a bit flipped.
    rot: Option<RowKey>,
    /// A read found the rotten row. Atomic, because reads borrow the disk.
    is_found: AtomicBool,
}

/// The commits of a disk at some moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(Vec<Arc<Vec<Write>>>);

impl SimDisk {
    /// An empty disk of which older copies can be made.
    #[must_use]
    pub fn remembering() -> Self {
        Self {
            remembers: true,
            ..Self::default()
        }
    }

    /// Commits all writes.
    pub fn commit(&mut self, writes: Vec<Write>) {
        if let Some(rot) = &self.rot
            && writes.iter().any(|write| write.key() == *rot)
        {
            // The commit rewrites or removes the rotten row.
            self.rot = None;
        }
        if self.remembers {
            self.commits.push(Arc::new(writes.clone()));
        }
        self.store.commit(writes);
    }

    /// A copy of the disk as it is now.
    #[must_use]
    pub fn copy(&self) -> Snapshot {
        assert!(
            self.remembers,
            "a disk that does not remember has no copies"
        );
        Snapshot(self.commits.clone())
    }

    /// The last block of a copy.
    #[must_use]
    pub fn head_of(copy: &Snapshot) -> Option<Head> {
        let writes = copy.0.iter().flat_map(|writes| writes.iter());
        let heads = writes.filter_map(|write| match write {
            Write::Block(stored) => Some(stored.block.head()),
            _ => None,
        });
        heads.max_by_key(|head| (head.incarnation, head.height))
    }

    /// Replaces the content of the disk by a copy.
    pub fn restore(&mut self, copy: Snapshot) {
        self.store = MemoryStore::default();
        for writes in &copy.0 {
            self.store.commit(Vec::clone(writes));
        }
        self.commits = copy.0;
        self.lies_from = None;
        self.rot = None;
        *self.is_found.get_mut() = false;
    }

    /// Removes everything.
    pub fn wipe(&mut self) {
        self.restore(Snapshot::default());
    }

    /// Lies from now on: reports commits as synced without syncing them.
    pub fn lie(&mut self) {
        self.lies_from.get_or_insert(self.commits.len());
    }

    /// A copy as after a power failure: without some of the commits that the disk lied about.
    #[must_use]
    pub fn without_power(&self, random: &mut Random) -> Snapshot {
        let mut copy = self.copy();
        let all = copy.0.len();
        if let Some(from) = self.lies_from.filter(|from| *from < all) {
            copy.0
                .truncate(random.within(from as u64..=all as u64 - 1) as usize);
        }
        copy
    }

    /// Flips a bit in a committed row. Returns whether there is one.
    pub fn rot(&mut self, random: &mut Random) -> bool {
        if self.commits.is_empty() {
            return false;
        }
        // New rows are read more often.
        let newest = self.commits.len() as u64 - 1;
        let at = newest - random.within(0..=newest.min(200));
        let writes = &self.commits[at as usize];
        let rows = writes.iter().map(Write::key);
        // Often rewritten rows heal by themselves, and removed rows cannot rot.
        let lasting: Vec<_> = rows
            .filter(|row| !matches!(row, RowKey::State(_)) && self.has(row))
            .collect();
        if lasting.is_empty() {
            return false;
        }
        self.rot = Some(lasting[random.next() as usize % lasting.len()].clone());
        true
    }

    /// Whether a row is rotten, found or not.
    #[must_use]
    pub const fn is_rotten(&self) -> bool {
        self.rot.is_some()
    }

    /// Whether a read found the rotten row.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.is_found.load(Ordering::Relaxed)
    }

    /// Finds the rotten row, as a check of the whole disk does.
    pub fn find(&self) {
        self.is_found.store(self.is_rotten(), Ordering::Relaxed);
    }

    /// The store without the rot, for the invariants.
    #[must_use]
    pub const fn sound(&self) -> &MemoryStore {
        &self.store
    }

    /// The whole set.
    #[must_use]
    pub fn elements(&self) -> BTreeSet<Element> {
        self.store.elements()
    }

    fn read(&self, is_hit: impl FnOnce(&RowKey) -> bool) -> Result<(), StoreError> {
        match &self.rot {
            Some(rotten) if is_hit(rotten) => {
                self.is_found.store(true, Ordering::Relaxed);
                Err(StoreError::Damaged(format!("a bit flipped in {rotten:?}")))
            }
            _ => Ok(()),
        }
    }
}
