//! A disk that does what disks do: it keeps what was synced, or lies about it, or rots, and can be taken back in time.

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

/// A disk. It answers as the plain [`MemoryStore`] does, unless a bit of it rotted.
#[derive(Debug, Default)]
pub struct SimDisk {
    store: MemoryStore,
    /// Everything that was committed since the disk was new, if it is to be remembered.
    commits: Vec<Arc<Vec<Write>>>,
    remembers: bool,
    /// From which commit on it lies: what it says is synced is lost when the power goes.
    lies_from: Option<usize>,
    /// The row in which a bit flipped.
    rot: Option<RowKey>,
    /// Somebody read what rotted. Whoever reads writes it.
    is_found: AtomicBool,
}

/// What a disk had at some moment.
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
            // What rotted is written anew, or removed.
            self.rot = None;
        }
        if self.remembers {
            self.commits.push(Arc::new(writes.clone()));
        }
        self.store.commit(writes);
    }

    /// What it has now.
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

    /// Has what a copy has, and nothing else.
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

    /// Has nothing.
    pub fn wipe(&mut self) {
        self.restore(Snapshot::default());
    }

    /// Says from now on that it synced what it did not.
    pub fn lie(&mut self) {
        self.lies_from.get_or_insert(self.commits.len());
    }

    /// What it would have if the power went: without some of the commits that it lied about.
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

    /// A bit flips in something that was written. Returns whether there is anything.
    pub fn rot(&mut self, random: &mut Random) -> bool {
        if self.commits.is_empty() {
            return false;
        }
        // What was written lately is read more often.
        let newest = self.commits.len() as u64 - 1;
        let at = newest - random.within(0..=newest.min(200));
        let writes = &self.commits[at as usize];
        let rows = writes.iter().map(Write::key);
        // What is written again and again heals by itself, and what was removed cannot rot.
        let lasting: Vec<_> = rows
            .filter(|row| !matches!(row, RowKey::State(_)) && self.has(row))
            .collect();
        if lasting.is_empty() {
            return false;
        }
        self.rot = Some(lasting[random.next() as usize % lasting.len()].clone());
        true
    }

    /// Something rotted, whether it was noticed or not.
    #[must_use]
    pub const fn is_rotten(&self) -> bool {
        self.rot.is_some()
    }

    /// Somebody read what rotted.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.is_found.load(Ordering::Relaxed)
    }

    /// Somebody looks at everything, and finds what rotted.
    pub fn find(&self) {
        self.is_found.store(self.is_rotten(), Ordering::Relaxed);
    }

    /// What it would have if nothing had rotted: for those who look from outside.
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
