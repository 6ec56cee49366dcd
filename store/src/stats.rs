//! Figures about a store, for its metrics.

/// How much a store holds and uses. Counts are RocksDB's estimates.
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
    /// Bytes of tables that wait to be merged; commits slow down when they are many.
    pub merge_backlog_bytes: u64,
}
