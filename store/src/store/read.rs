//! Reads of rows of any family.

use bytes::Bytes;
use kittengrad_journal::StoreError;
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};

use crate::{family::Family, rows, store::RocksStore};

impl RocksStore {
    /// The value of `key`, with its version.
    pub(super) fn get(
        &self,
        family: Family,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.check_health()?;
        self.db
            .get_pinned_cf(self.family(family)?, key)
            .map_err(|e| self.failed(e))
    }

    /// The bytes of a value, without its version.
    pub(super) fn get_bytes(
        &self,
        family: Family,
        key: &[u8],
    ) -> Result<Option<Bytes>, StoreError> {
        let found = self.get(family, key)?;
        found.map(|value| self.bytes_of(family, &value)).transpose()
    }

    /// The values of many keys. `ascending` says that the keys ascend; equal keys are allowed.
    pub(super) fn get_many<'k>(
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

    /// The bytes of many values, without their versions.
    pub(super) fn get_many_bytes<'k>(
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

    /// The bytes after the version of `value`.
    pub(super) fn bytes_of(&self, family: Family, value: &[u8]) -> Result<Bytes, StoreError> {
        rows::body(value)
            .map(Bytes::copy_from_slice)
            .map_err(|e| self.damaged(family, &e))
    }

    /// An iterator over the keys of `family` that begin with `prefix`, at the first one.
    pub(super) fn scan(
        &self,
        family: Family,
        prefix: &[u8],
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = ReadOptions::default();
        match family {
            // The prefix is a canonical, which the filters have. So RocksDB uses them.
            Family::Elements => options.set_prefix_same_as_start(true),
            _ => options.set_total_order_seek(true),
        }
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        self.iterator(family, prefix, options)
    }

    /// An iterator over the keys of `family` in `[from, to)`, at the first one. Without `to` it ends with the last key.
    pub(super) fn scan_range(
        &self,
        family: Family,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = ReadOptions::default();
        // The filters apply to one canonical, and a range has many.
        options.set_total_order_seek(true);
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        self.iterator(family, from, options)
    }

    fn iterator(
        &self,
        family: Family,
        from: &[u8],
        options: ReadOptions,
    ) -> Result<DBRawIterator<'_>, StoreError> {
        self.check_health()?;
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family)?, options);
        rows.seek(from);
        Ok(rows)
    }
}

/// The smallest key after all keys that begin with `prefix`. `None` if there is none: `prefix` is empty or all `0xff`.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
