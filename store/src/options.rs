//! What may be chosen about a store: how much memory and disk it takes for its work.

use rocksdb::{DBRecoveryMode, LogLevel, WriteBufferManager};

/// Limits of one store. The defaults keep a peer far below 512 MiB of memory at any data size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of table blocks, filters and indexes kept in memory. 128 MiB by default; less than 1 MiB counts as
    /// 1 MiB.
    pub cache_bytes_max: usize,
    /// Bytes of committed writes kept in memory until they are written to tables, over all families. When they
    /// are used up, commits wait for the disk. 96 MiB by default; less than 1 MiB counts as 1 MiB.
    pub write_buffer_bytes_max: usize,
    /// Bytes of write-ahead log, beyond which what only the oldest of it holds is written to tables. It bounds
    /// how long an open after a crash takes. Should be at least twice `write_buffer_bytes_max`; 192 MiB by
    /// default, and 0 is for four times all write buffers.
    pub wal_bytes_max: u64,
    /// Files kept open at once, logs included. 256 by default.
    pub open_files_max: u32,
    /// Threads that write tables and merge them. 2 by default: one of each.
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
    /// RocksDB's cache cannot be empty.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache_bytes_max.max(MIB)
    }

    /// Less would be used up by what empty families take.
    pub(crate) fn write_buffers(&self) -> usize {
        self.write_buffer_bytes_max.max(MIB)
    }

    /// The part that concerns the database as a whole.
    pub(crate) fn database(&self) -> rocksdb::Options {
        let mut options = rocksdb::Options::default();
        options.set_paranoid_checks(true);
        // The default mode hides a flipped bit by forgetting all that follows it.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_max_total_wal_size(self.wal_bytes_max);
        options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(
            self.write_buffer_bytes_max,
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
/// Tables go to the disk in pieces of this size, so that they do not hold up the log when they are done.
const SYNC_BYTES: u64 = 1024 * 1024;
const MANIFEST_BYTES_MAX: usize = 16 * MIB;
const MANIFEST_RESERVED_BYTES: usize = 64 * 1024;
/// RocksDB's own report of what it does, for people.
const INFO_LOG_BYTES_MAX: usize = 4 * MIB;
const INFO_LOGS_MAX: usize = 4;
