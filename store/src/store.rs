//! The store: RocksDB behind the journal's seam.

use std::{path::Path, sync::OnceLock};

use bytes::Bytes;
use kittengrad_journal::{Locator, Store, StoreError, StoredBlock, Write};
use kittengrad_proto::{
    block::{Head, Header},
    id::{Id, RecordId},
    namespace::Overlay,
    transaction::Element,
};
use rocksdb::{
    Cache, ColumnFamily, DB, DBPinnableSlice, DBRawIterator, ReadOptions, WriteBatch, WriteOptions,
};

use crate::{
    directory::Lock,
    family::Family,
    growth::Growth,
    open::{self, OpenError, Opened},
    options::Options,
    owner::Owner,
    rows::{self, ElementKey, RowError},
    stats::{Stats, StatsError},
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
        let batch = self.batch(writes)?;
        let mut synced = WriteOptions::new();
        synced.set_sync(true);
        let done = self
            .growth
            .watch(&self.db)
            .and_then(|()| self.db.write_opt(batch, &synced));
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

    fn batch(&self, writes: Vec<Write>) -> Result<WriteBatch, StoreError> {
        let blocks = self.family(Family::Blocks)?;
        let elements = self.family(Family::Elements)?;
        let transactions = self.family(Family::Transactions)?;
        let records = self.family(Family::Records)?;
        let chains = self.family(Family::Chains)?;
        let state = self.family(Family::State)?;
        let mut batch = WriteBatch::with_capacity_bytes(writes.iter().map(row_bytes).sum());
        // One buffer for all values, because there are thousands.
        let mut value = Vec::new();
        for write in writes {
            match write {
                Write::Block(stored) => {
                    let header = &stored.block.header;
                    let key = rows::block_key(header.incarnation, header.height);
                    batch.put_cf(blocks, key, rows::block_value(&stored));
                }
                Write::Element(element, locator) => {
                    batch.put_cf(
                        elements,
                        ElementKey::new(&element),
                        rows::locator_value(&locator),
                    );
                }
                Write::Transaction(id, bytes) => {
                    batch.put_cf(
                        transactions,
                        id.as_bytes(),
                        rows::versioned(&mut value, &bytes),
                    );
                }
                Write::Record(id, bytes) => {
                    batch.put_cf(records, id.as_bytes(), rows::versioned(&mut value, &bytes));
                }
                Write::Chain(id, bytes) => {
                    batch.put_cf(chains, id.as_bytes(), rows::versioned(&mut value, &bytes));
                }
                Write::State(key, bytes) => {
                    batch.put_cf(state, key, rows::versioned(&mut value, &bytes));
                }
            }
        }
        Ok(batch)
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

    pub(crate) fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let missing =
            || StoreError::Damaged(format!("column family {:?} is missing", family.name()));
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.check_health()?;
        self.db
            .get_pinned_cf(self.family(family)?, key)
            .map_err(|e| self.failed(e))
    }

    /// The values of many keys; `ascending` if the keys are, with or without repeats.
    fn get_many<'k>(
        &self,
        family: Family,
        keys: impl IntoIterator<Item = &'k [u8]>,
        ascending: bool,
    ) -> Result<Vec<Option<DBPinnableSlice<'_>>>, StoreError> {
        self.check_health()?;
        let found = self
            .db
            .batched_multi_get_cf(self.family(family)?, keys, ascending);
        found
            .into_iter()
            .map(|value| value.map_err(|e| self.failed(e)))
            .collect()
    }

    /// Values that are bytes behind a version.
    fn bytes_of_many<'k>(
        &self,
        family: Family,
        keys: impl IntoIterator<Item = &'k [u8]>,
        ascending: bool,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let found = self.get_many(family, keys, ascending)?;
        found
            .into_iter()
            .map(|value| value.map(|value| self.bytes_of(family, &value)).transpose())
            .collect()
    }

    /// Walks the keys of `family` that begin with `prefix`.
    fn scan(&self, family: Family, prefix: &[u8]) -> Result<DBRawIterator<'_>, StoreError> {
        self.check_health()?;
        let mut options = ReadOptions::default();
        match family {
            // The prefix is the one that the family's filters know, so that they are asked.
            Family::Elements => options.set_prefix_same_as_start(true),
            _ => options.set_total_order_seek(true),
        }
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family)?, options);
        rows.seek(prefix);
        Ok(rows)
    }
}

impl Store for RocksStore {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        let keys: Vec<_> = elements.iter().map(ElementKey::new).collect();
        let found = self.get_many(
            Family::Elements,
            keys.iter().map(AsRef::as_ref),
            elements.is_sorted(),
        )?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        let found = self.get(Family::Elements, ElementKey::new(element).as_ref())?;
        let locator = found.map(|value| rows::locator(&value)).transpose();
        locator.map_err(|e| self.damaged(Family::Elements, &e))
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        self.set_page(canonical, None, usize::MAX)
    }

    fn set_page(
        &self,
        canonical: &RecordId,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Option<Vec<RecordId>>, StoreError> {
        let mut rows = self.scan(Family::Elements, canonical.as_bytes())?;
        let is_there = rows.valid();
        if let Some(after) = after.filter(|_| is_there) {
            let (canonical, update) = (*canonical, Some(*after));
            rows.seek(ElementKey::new(&Element { canonical, update }));
        }
        let mut updates = Vec::new();
        while let Some(key) = rows.key().filter(|_| updates.len() < limit) {
            let update = rows::update_of_key(key);
            let update = update.map_err(|e| self.damaged(Family::Elements, &e))?;
            updates.extend(update.filter(|update| after != Some(update)));
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(is_there.then_some(updates))
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        let rows = self.scan(Family::Elements, canonical.as_bytes())?;
        rows.status().map_err(|e| self.failed(e))?;
        Ok(rows.valid())
    }

    fn transactions(&self, ids: &[Id]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.bytes_of_many(
            Family::Transactions,
            ids.iter().map(|id| &id.as_bytes()[..]),
            ids.is_sorted(),
        )
    }

    fn has_transactions(&self, ids: &[Id]) -> Result<Vec<bool>, StoreError> {
        let keys = ids.iter().map(|id| &id.as_bytes()[..]);
        let found = self.get_many(Family::Transactions, keys, ids.is_sorted())?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    fn records(&self, ids: &[RecordId]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.bytes_of_many(
            Family::Records,
            ids.iter().map(|id| &id.as_bytes()[..]),
            ids.is_sorted(),
        )
    }

    fn chain(&self, id: &Id) -> Result<Option<Bytes>, StoreError> {
        let found = self.get(Family::Chains, id.as_bytes())?;
        found
            .map(|value| self.bytes_of(Family::Chains, &value))
            .transpose()
    }

    fn block(&self, incarnation: u64, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(value) = self.get(Family::Blocks, &rows::block_key(incarnation, height))? else {
            return Ok(None);
        };
        let value = Bytes::copy_from_slice(&value);
        let stored = rows::block((incarnation, height), value, &self.overlay);
        stored
            .map(Some)
            .map_err(|e| self.damaged_block(incarnation, height, &e))
    }

    fn incarnations(&self) -> Result<Vec<Header>, StoreError> {
        let mut rows = self.scan(Family::Blocks, &[])?;
        rows.seek_to_last();
        let mut headers = Vec::new();
        while let Some(header) = self.header_at(&rows)? {
            // Each step goes over all blocks of one incarnation at once.
            match header.incarnation.checked_sub(1) {
                Some(before) => rows.seek_for_prev(rows::block_key(before, u64::MAX)),
                None => rows.seek_for_prev([]),
            }
            headers.push(header);
        }
        headers.reverse();
        Ok(headers)
    }

    fn state(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = self.get(Family::State, key)?;
        found
            .map(|value| self.bytes_of(Family::State, &value))
            .transpose()
    }

    fn states(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut rows = self.scan(Family::State, prefix)?;
        let mut states = Vec::new();
        while let Some((key, value)) = rows.item() {
            let value = self.bytes_of(Family::State, value)?;
            states.push((Bytes::copy_from_slice(key), value));
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(states)
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        let mut rows = self.scan(Family::Blocks, &[])?;
        rows.seek_to_last();
        Ok(self.header_at(&rows)?.map(|header| header.head()))
    }
}

impl RocksStore {
    /// The header of the block that an iterator stands on; `None` at the end.
    fn header_at(&self, rows: &DBRawIterator<'_>) -> Result<Option<Header>, StoreError> {
        let Some((key, value)) = rows.item() else {
            rows.status().map_err(|e| self.failed(e))?;
            return Ok(None);
        };
        let name = rows::of_block_key(key);
        let name = name.map_err(|e| self.damaged(Family::Blocks, &e))?;
        let header = rows::header(name, Bytes::copy_from_slice(value), &self.overlay);
        header
            .map(Some)
            .map_err(|e| self.damaged_block(name.0, name.1, &e))
    }

    fn bytes_of(&self, family: Family, value: &[u8]) -> Result<Bytes, StoreError> {
        rows::body(value)
            .map(Bytes::copy_from_slice)
            .map_err(|e| self.damaged(family, &e))
    }

    pub(crate) fn damaged(&self, family: Family, error: &RowError) -> StoreError {
        self.found(format!("a row of {}: {error}", family.name()))
    }

    fn damaged_block(&self, incarnation: u64, height: u64, error: &RowError) -> StoreError {
        self.found(format!(
            "block {height} of incarnation {incarnation}: {error}"
        ))
    }

    pub(crate) fn failed(&self, error: rocksdb::Error) -> StoreError {
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

/// The first key behind all that begin with `prefix`; `None` if there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// About how many bytes a write takes in a batch.
fn row_bytes(write: &Write) -> usize {
    let bytes = match write {
        Write::Block(stored) => {
            stored
                .block
                .items
                .iter()
                .map(|item| item.len() + 2)
                .sum::<usize>()
                + 512
        }
        Write::Element(..) => 64 + rows::LOCATOR_BYTES,
        Write::Transaction(_, bytes) | Write::Record(_, bytes) | Write::Chain(_, bytes) => {
            32 + bytes.len()
        }
        Write::State(key, bytes) => key.len() + bytes.len(),
    };
    bytes + ROW_OVERHEAD_BYTES
}

/// Type, family and lengths of a write in a batch, and the version of its value.
const ROW_OVERHEAD_BYTES: usize = 16;
