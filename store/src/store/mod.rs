//! The store: RocksDB behind the journal's seam. Each family of rows has a file; `read` is what they share.

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

/// Everything that one owner keeps, on disk. Reads may come from any thread; one at a time commits.
pub struct RocksStore {
    pub(crate) db: DB,
    cache: Cache,
    overlay: Overlay,
    pub(crate) growth: Growth,
    /// Why a commit failed. Written once, by the commit that failed.
    failure: OnceLock<StoreError>,
    /// What the first read saw that found damage. Written by it.
    damage: OnceLock<String>,
    /// Declared after the database, so that the directory is free only when that is closed.
    _lock: Lock,
}

impl RocksStore {
    /// Opens the store of `owner` in the directory `path`, which is made if it is missing.
    ///
    /// # Errors
    /// See [`OpenError`]: what the store holds is as it was.
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

    /// Commits all writes at once; when it returns, they are on the disk.
    ///
    /// # Errors
    /// If the device refuses. Whether the writes are on the disk is unknown then, and nothing can be committed or
    /// read any more: what a failed sync left behind shows only when the store is opened again.
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

    /// Figures for metrics.
    ///
    /// # Errors
    /// If they cannot be had.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        Stats::of(&self.db, &self.cache).map_err(|e| match e {
            StatsError::Database(e) => self.failed(e),
            StatsError::Io(e) => StoreError::Io(e.to_string()),
        })
    }

    /// What the first read saw that found damage, whoever read. What else is read is right all the same; but what is
    /// damaged stays so until the owner stops, calls [`quarantine`](crate::quarantine) and fills a new store.
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
                "it refuses since a commit failed: {why}"
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
        self.found(format!("a row of {}: {error}", family.name()))
    }

    fn failed(&self, error: rocksdb::Error) -> StoreError {
        if open::is_damage(&error) {
            self.found(error.into_string())
        } else {
            StoreError::Io(error.into_string())
        }
    }

    /// Whoever reads damage tells the owner of the store.
    fn found(&self, damage: String) -> StoreError {
        self.damage.get_or_init(|| damage.clone());
        StoreError::Damaged(damage)
    }
}
