//! Growth: changes the format of new tables when a store outgrows its cache.
//!
//! The filter and the index of a table are one block each. This is fastest while all of them fit into the cache. When
//! they do not, a lookup of one key would read a megabyte. So from a certain size on, new tables have filters and
//! indexes in parts of 4 KiB, and compaction replaces the older tables step by step.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rocksdb::DB;

use crate::family::Family;

/// The watch over the size of a store.
#[derive(Debug)]
pub(crate) struct Growth {
    /// Bytes of tables from which a store is large.
    large_bytes: u64,
    commits: AtomicU64,
    /// New tables have filters and indexes in parts. Set once, never cleared.
    is_large: AtomicBool,
}

impl Growth {
    pub(crate) const fn new(cache_bytes: usize) -> Self {
        let large_bytes = (cache_bytes as u64).saturating_mul(TABLES_PER_CACHE);
        Self {
            large_bytes,
            commits: AtomicU64::new(0),
            is_large: AtomicBool::new(false),
        }
    }

    /// Checks the size at the first commit, and then at every 256th.
    pub(crate) fn watch(&self, db: &DB) -> Result<(), rocksdb::Error> {
        let commits = self.commits.fetch_add(1, Ordering::Relaxed);
        if !commits.is_multiple_of(COMMITS_BETWEEN_LOOKS) || self.is_large.load(Ordering::Relaxed) {
            return Ok(());
        }
        let families = Family::ALL
            .into_iter()
            .filter(|family| family.is_found_by_digest());
        let handles: Vec<_> = families
            .filter_map(|family| db.cf_handle(family.name()))
            .collect();
        let mut bytes = 0;
        for handle in &handles {
            bytes += db
                .property_int_value_cf(*handle, TABLE_BYTES)?
                .unwrap_or_default();
        }
        if bytes < self.large_bytes {
            return Ok(());
        }
        for handle in handles {
            db.set_options_cf(handle, &[IN_PARTS])?;
        }
        self.is_large.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// A table has about 2 bytes of filter and index for 100 bytes of data, and about half of the cache is for them.
const TABLES_PER_CACHE: u64 = 24;
const COMMITS_BETWEEN_LOOKS: u64 = 256;
const TABLE_BYTES: &str = "rocksdb.total-sst-files-size";
const IN_PARTS: (&str, &str) = (
    "block_based_table_factory",
    "{index_type=kTwoLevelIndexSearch;partition_filters=true;}",
);

#[cfg(test)]
mod tests {
    use kittengrad_journal::{RecordStore, Write};
    use kittengrad_proto::{
        id::{Id, PublicKey, RecordId},
        namespace::Overlay,
    };
    use rocksdb::properties::AGGREGATED_TABLE_PROPERTIES;
    use tempfile::TempDir;

    use super::*;
    use crate::{Options, Owner, RocksStore};

    const KEYS: u64 = 20_000;
    const SMALL_CACHE_BYTES: usize = 16 * 1024;

    fn open(directory: &TempDir) -> RocksStore {
        let overlay = Overlay {
            network: Id::ZERO,
            namespace: "tests".parse().unwrap(),
        };
        let owner = Owner {
            overlay,
            key: PublicKey::new([1; 32]),
        };
        let mut store = RocksStore::open(directory.path(), &owner, &Options::default()).unwrap();
        store.growth = Growth::new(SMALL_CACHE_BYTES);
        store
    }

    fn id(number: u64) -> RecordId {
        RecordId::of(&number.to_be_bytes())
    }

    fn commit(store: &RocksStore, round: u64) {
        let numbers = (0..KEYS).map(|number| round * KEYS + number);
        let records = numbers.map(|n| Write::Record(id(n), n.to_be_bytes().to_vec().into()));
        store.commit(records.collect()).unwrap();
    }

    /// Whether a table of records has its index in parts.
    fn has_parts(store: &RocksStore) -> bool {
        let records = store.db.cf_handle("records").unwrap();
        let figures = store
            .db
            .property_value_cf(records, AGGREGATED_TABLE_PROPERTIES)
            .unwrap()
            .unwrap();
        // RocksDB lists this figure only if a table has partitions.
        figures.contains("# index partitions=")
    }

    #[test]
    fn store_that_outgrows_its_cache_partitions_its_indexes() {
        let directory = TempDir::new().unwrap();
        commit(&open(&directory), 0);
        // Opening a store writes the commits in its log to a table.
        let store = open(&directory);
        assert!(!has_parts(&store));
        commit(&store, 1);
        drop(store);
        let store = open(&directory);
        assert!(
            !has_parts(&store),
            "the log is written to a table before the size is checked"
        );
        commit(&store, 2);
        assert!(store.growth.is_large.load(Ordering::Relaxed));
        store
            .db
            .flush_cf(store.db.cf_handle("records").unwrap())
            .unwrap();
        assert!(has_parts(&store));
        for number in (0..3 * KEYS).step_by(997) {
            assert!(
                store.records(&[id(number)]).unwrap()[0].is_some(),
                "{number}"
            );
        }
        assert_eq!(store.records(&[id(3 * KEYS)]).unwrap(), [None]);
    }
}
