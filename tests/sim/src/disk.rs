//! A disk that does what disks do: it keeps what was synced, or lies about it, or rots, and can be taken back in time.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use kittengrad_journal::{Locator, MemoryStore, Store, StoreError, StoredBlock, Write};
use kittengrad_proto::{
    block::{Head, Header},
    id::{Id, RecordId},
    transaction::Element,
};

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
    rot: Option<Spot>,
    /// Somebody read what rotted. Whoever reads writes it.
    is_found: AtomicBool,
}

/// What a disk had at some moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(Vec<Arc<Vec<Write>>>);

/// Where a bit flipped.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spot {
    Block(u64, u64),
    Element(Element),
    Transaction(Id),
    Record(RecordId),
    Chain(Id),
    State(Bytes),
}

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
            && writes.iter().any(|write| Spot::of(write) == *rot)
        {
            // What rotted is written anew.
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
        // What is written again and again heals by itself.
        let lasting = writes
            .iter()
            .filter(|write| !matches!(write, Write::State(..)));
        let lasting: Vec<_> = lasting.collect();
        if lasting.is_empty() {
            return false;
        }
        let write = lasting[random.next() as usize % lasting.len()];
        self.rot = Some(Spot::of(write));
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

    fn read(&self, is_hit: impl FnOnce(&Spot) -> bool) -> Result<(), StoreError> {
        match &self.rot {
            Some(spot) if is_hit(spot) => {
                self.is_found.store(true, Ordering::Relaxed);
                Err(StoreError::Damaged(format!("a bit flipped in {spot:?}")))
            }
            _ => Ok(()),
        }
    }
}

impl Spot {
    fn of(write: &Write) -> Self {
        match write {
            Write::Block(stored) => {
                let header = &stored.block.header;
                Self::Block(header.incarnation, header.height)
            }
            Write::Element(element, _) => Self::Element(*element),
            Write::Transaction(id, _) => Self::Transaction(*id),
            Write::Record(id, _) => Self::Record(*id),
            Write::Chain(id, _) => Self::Chain(*id),
            Write::State(key, _) => Self::State(key.clone()),
        }
    }

    fn is_element_of(&self, canonical: &RecordId) -> bool {
        matches!(self, Self::Element(element) if element.canonical == *canonical)
    }
}

impl Store for SimDisk {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        self.read(|spot| matches!(spot, Spot::Element(element) if elements.contains(element)))?;
        self.store.contains(elements)
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        self.read(|spot| *spot == Spot::Element(*element))?;
        self.store.locate(element)
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        self.read(|spot| spot.is_element_of(canonical))?;
        self.store.set(canonical)
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        self.read(|spot| spot.is_element_of(canonical))?;
        self.store.exists(canonical)
    }

    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read(|spot| matches!(spot, Spot::Transaction(id) if ids.contains(id)))?;
        self.store.transactions(ids)
    }

    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        self.read(|spot| matches!(spot, Spot::Transaction(id) if ids.contains(id)))?;
        self.store.has_transactions(ids)
    }

    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read(|spot| matches!(spot, Spot::Record(id) if ids.contains(id)))?;
        self.store.records(ids)
    }

    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        self.read(|spot| *spot == Spot::Chain(*id))?;
        self.store.chain(id)
    }

    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        self.read(|spot| *spot == Spot::Block(incarnation, height))?;
        self.store.block(incarnation, height)
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let ends = self.store.incarnations()?;
        let is_end = |at: (u64, u64)| ends.iter().any(|end| at == (end.incarnation, end.height));
        self.read(|spot| matches!(spot, Spot::Block(i, h) if is_end((*i, *h))))?;
        Ok(ends)
    }

    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read(|spot| matches!(spot, Spot::State(rotten) if rotten[..] == *key))?;
        self.store.state(key)
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read(|spot| matches!(spot, Spot::State(key) if key.starts_with(prefix)))?;
        self.store.states(prefix)
    }
}
