//! Options of a store: its memory, log size, files and threads.

use rocksdb::{DBRecoveryMode, LogLevel, WriteBufferManager};

/// Limits of one store. With the defaults a peer stays far below 512 MiB of memory at any size of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of table blocks, filters and indexes kept in memory. 128 MiB by default; at least 1 MiB is used.
    pub cache_bytes_max: usize,
    /// Bytes of committed writes kept in memory until they are written to tables, over all families. When they
    /// are used up, commits wait for the disk. 96 MiB by default; write buffers are sized for at least 1 MiB.
    pub write_buffer_bytes_max: usize,
    /// Bytes of write-ahead logs. Beyond it the writes of the oldest log are written to tables. Bounds the time of an
    /// open after a crash. Should be at least twice `write_buffer_bytes_max`. 192 MiB by default; 0 means four times
    /// all write buffers.
    pub wal_bytes_max: u64,
    /// Files kept open at once, logs included. 256 by default.
    pub open_files_max: u32,
    /// Threads that write tables and compact them. 2 by default: one for each.
    pub background_jobs_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes_max: 128 * MIB,
            write_buffer_bytes_max: 96 * MIB,
            wal_bytes_max: 192 * MIB as u64,
            open_files_max: 256,
            background_jobs_max: 2,
        }
    }
}

impl Options {
    /// Bytes of the cache, at least 1 MiB, because RocksDB's cache cannot be empty.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache_bytes_max.max(MIB)
    }

    /// Bytes of all write buffers, at least 1 MiB, because empty families already need some.
    pub(crate) fn write_buffers(&self) -> usize {
        self.write_buffer_bytes_max.max(MIB)
    }

    /// The options of the database as a whole.
    pub(crate) fn database(&self) -> rocksdb::Options {
        let mut options = rocksdb::Options::default();
        options.set_paranoid_checks(true);
        // The default mode hides a flipped bit: it drops all records after it.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_max_total_wal_size(self.wal_bytes_max);
        options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(
            self.write_buffers(),
            true,
        ));
        options.set_max_open_files(i32::try_from(self.open_files_max).unwrap_or(i32::MAX));
        options
            .set_max_background_jobs(i32::try_from(self.background_jobs_max).unwrap_or(i32::MAX));
        options.set_bytes_per_sync(SYNC_BYTES);
        options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
        options.set_manifest_preallocation_size(MANIFEST_RESERVED_BYTES);
        options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
        options.set_keep_log_file_num(INFO_LOGS_MAX);
        options.set_log_level(LogLevel::Info);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }
}

const MIB: usize = 1024 * 1024;
/// Tables are synced in pieces of this size, so that the sync of a finished table does not delay the log.
const SYNC_BYTES: u64 = 1024 * 1024;
const MANIFEST_BYTES_MAX: usize = 16 * MIB;
const MANIFEST_RESERVED_BYTES: usize = 64 * 1024;
/// Bytes of one file of RocksDB's own text log, for operators.
const INFO_LOG_BYTES_MAX: usize = 4 * MIB;
const INFO_LOGS_MAX: usize = 4;
