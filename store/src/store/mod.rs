//! The store: implements the journal's traits with RocksDB. Each family of rows has a file; `read` is shared.

mod batch;
mod blocks;
mod chains;
mod elements;
mod read;
mod records;
mod states;
mod transactions;

use std::{path::Path, sync::OnceLock};

use kittengrad_journal::{StoreError, Write};
use kittengrad_proto::namespace::Overlay;
use rocksdb::{Cache, ColumnFamily, DB, WriteOptions};

use crate::{
    directory::Lock,
    family::Family,
    growth::Growth,
    open::{self, OpenError, Opened},
    options::Options,
    owner::Owner,
    rows::RowError,
    stats::{Stats, StatsError},
    store::batch::Batch,
};

/// The data of one owner, on disk. Any thread may read. At most one thread at a time may commit.
pub struct RocksStore {
    pub(crate) db: DB,
    cache: Cache,
    overlay: Overlay,
    pub(crate) growth: Growth,
    /// The error of the first failed commit. Set once.
    failure: OnceLock<StoreError>,
    /// The first damage that a read found. Set once.
    damage: OnceLock<String>,
    /// Declared after the database, so that the lock is released only when the database is closed.
    _lock: Lock,
}

impl RocksStore {
    /// Opens the store of `owner` in the directory `path`. Makes the directory and the store if they are missing.
    ///
    /// # Errors
    /// See [`OpenError`]. The data did not change.
    pub fn open(path: &Path, owner: &Owner, options: &Options) -> Result<Self, OpenError> {
        let Opened { db, cache, lock } = open::open(path, owner, options)?;
        Ok(Self {
            db,
            cache,
            overlay: owner.overlay.clone(),
            growth: Growth::new(options.cache_bytes()),
            failure: OnceLock::new(),
            damage: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Commits all writes together, and syncs them to the disk before it returns.
    ///
    /// # Errors
    /// If the device fails. Then it is unknown whether the writes are on the disk, and the store refuses all reads and
    /// commits. Opening the store again shows what the failed sync left behind.
    pub fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.check_health()?;
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(self, &writes)?;
        for write in writes {
            batch.add(write);
        }
        let mut synced = WriteOptions::new();
        synced.set_sync(true);
        let done = self
            .growth
            .watch(&self.db)
            .and_then(|()| self.db.write_opt(batch.rows(), &synced));
        done.map_err(|e| {
            let error = self.failed(e);
            self.failure.get_or_init(|| error.clone());
            error
        })
    }

    /// Reads sizes and counts for metrics.
    ///
    /// # Errors
    /// If RocksDB or the operating system refuses.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        Stats::of(&self.db, &self.cache).map_err(|e| match e {
            StatsError::Database(e) => self.failed(e),
            StatsError::Io(e) => StoreError::Io(e.to_string()),
        })
    }

    /// The first damage that any read found. Other data is still read correctly. The damage stays until the owner
    /// stops, calls [`quarantine`](crate::quarantine) and fills a new store.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    fn check_health(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            Some(StoreError::Damaged(why)) => {
                Err(StoreError::Damaged(format!("a commit failed: {why}")))
            }
            Some(StoreError::Io(why)) => Err(StoreError::Io(format!(
                "refused because a commit failed: {why}"
            ))),
            None => Ok(()),
        }
    }

    fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let missing =
            || StoreError::Damaged(format!("column family {:?} is missing", family.name()));
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }

    fn damaged(&self, family: Family, error: &RowError) -> StoreError {
        self.note_damage(format!("a row of {}: {error}", family.name()))
    }

    fn failed(&self, error: rocksdb::Error) -> StoreError {
        if open::is_damage(&error) {
            self.note_damage(error.into_string())
        } else {
            StoreError::Io(error.into_string())
        }
    }

    /// Keeps the damage for [`RocksStore::damage`] and makes it an error.
    fn note_damage(&self, damage: String) -> StoreError {
        self.damage.get_or_init(|| damage.clone());
        StoreError::Damaged(damage)
    }
}
