//! Sizes and counts of a store, for its metrics.

use std::{fs, io, path::Path};

use rocksdb::{Cache, DB};

use crate::family::Family;

/// Sizes and counts of a store. Counts of rows are RocksDB's estimates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Elements of the set.
    pub elements: u64,
    /// Transactions.
    pub transactions: u64,
    /// Records.
    pub records: u64,
    /// Blocks of the journal.
    pub blocks: u64,
    /// Bytes of tables on disk.
    pub table_bytes: u64,
    /// Bytes of blob files on disk: records and transactions of 1 KiB or more.
    pub blob_bytes: u64,
    /// Bytes of write-ahead log on disk.
    pub wal_bytes: u64,
    /// Bytes of memory that the block cache uses.
    pub cache_bytes: u64,
    /// Bytes of memory that hold writes which are not in tables yet.
    pub write_buffer_bytes: u64,
    /// Bytes of tables that wait for compaction. A large backlog slows commits down.
    pub merge_backlog_bytes: u64,
}

/// Why [`Stats`] cannot be read. Nothing changed.
pub(crate) enum StatsError {
    Database(rocksdb::Error),
    Io(io::Error),
}

impl Stats {
    pub(crate) fn of(db: &DB, cache: &Cache) -> Result<Self, StatsError> {
        let mut stats = Self {
            cache_bytes: cache.get_usage() as u64,
            wal_bytes: wal_bytes(db.path()).map_err(StatsError::Io)?,
            ..Self::default()
        };
        for family in Family::ALL {
            let Some(handle) = db.cf_handle(family.name()) else {
                continue;
            };
            let figure = |name: &str| {
                let figure = db
                    .property_int_value_cf(handle, name)
                    .map_err(StatsError::Database)?;
                Ok::<_, StatsError>(figure.unwrap_or_default())
            };
            stats.table_bytes += figure("rocksdb.total-sst-files-size")?;
            stats.blob_bytes += figure("rocksdb.total-blob-file-size")?;
            stats.write_buffer_bytes += figure("rocksdb.size-all-mem-tables")?;
            stats.merge_backlog_bytes += figure("rocksdb.estimate-pending-compaction-bytes")?;
            let keys = figure("rocksdb.estimate-num-keys")?;
            match family {
                Family::Elements => stats.elements = keys,
                Family::Transactions => stats.transactions = keys,
                Family::Records => stats.records = keys,
                Family::Blocks => stats.blocks = keys,
                Family::Chains | Family::State | Family::Meta => {}
            }
        }
        Ok(stats)
    }
}

/// Bytes of the write-ahead logs of a database.
fn wal_bytes(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
        {
            // A log that was deleted meanwhile counts as 0 bytes.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok(bytes)
}
