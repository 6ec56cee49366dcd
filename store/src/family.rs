//! Column families, and the layout of each on disk.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options, SliceTransform};

/// One kind of rows. Names and rows are part of the format; see `rows` for the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// The blocks of the journal.
    Blocks,
    /// The elements of the set.
    Elements,
    /// Transactions, as they were signed.
    Transactions,
    /// Records.
    Records,
    /// Certificate chains.
    Chains,
    /// Small values under keys that the owner chooses.
    State,
    /// Format version and owner.
    Meta,
}

impl Family {
    pub(crate) const ALL: [Self; 7] = [
        Self::Blocks,
        Self::Elements,
        Self::Transactions,
        Self::Records,
        Self::Chains,
        Self::State,
        Self::Meta,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Elements => "elements",
            Self::Transactions => "transactions",
            Self::Records => "records",
            Self::Chains => "chains",
            Self::State => "state",
            Self::Meta => "meta",
        }
    }

    /// Whether the keys begin with digests. Most lookups of such keys find nothing, so these families have filters.
    pub(crate) const fn is_found_by_digest(self) -> bool {
        matches!(self, Self::Elements | Self::Transactions | Self::Records)
    }

    /// The RocksDB options of this family.
    pub(crate) fn options(self, cache: &Cache, write_buffers: usize) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        // Filters and indexes live in the block cache too, so that memory stays bounded.
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        if self.is_found_by_digest() {
            table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
        }
        let mut options = Options::default();
        // New tables are soon compacted into others. Compressing them before would be wasted time.
        let mut compression = [DBCompressionType::Lz4; LEVELS];
        compression[0] = DBCompressionType::None;
        options.set_compression_per_level(&compression);
        options.set_level_zero_file_num_compaction_trigger(NEW_TABLES_TO_MERGE);
        options.set_write_buffer_size(write_buffers / self.write_buffer_share());
        options.set_max_write_buffer_number(WRITE_BUFFERS_MAX);
        match self {
            Self::Elements => {
                // Filters have prefixes besides whole keys, so that an absent canonical costs no read either.
                options.set_prefix_extractor(SliceTransform::create_fixed_prefix(DIGEST_BYTES));
                options.set_memtable_whole_key_filtering(true);
                options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_RATIO);
            }
            Self::Records => {
                keep_large_values_apart(&mut options);
                options.set_blob_compression_type(DBCompressionType::Zstd);
            }
            Self::Transactions => {
                keep_large_values_apart(&mut options);
                // Digests and a signature compress badly: Zstd would not be worth its time.
                options.set_blob_compression_type(DBCompressionType::Lz4);
            }
            // Keys of blocks ascend, so that compaction moves tables instead of writing them again.
            Self::Blocks => table.set_block_size(BLOCKS_TABLE_BLOCK_BYTES),
            Self::Chains | Self::State | Self::Meta => {}
        }
        options.set_block_based_table_factory(&table);
        options
    }

    /// The part of all write buffers that one buffer of this family may take: 1 / share.
    const fn write_buffer_share(self) -> usize {
        match self {
            Self::Elements | Self::Records => 4,
            Self::Transactions | Self::Blocks => 8,
            Self::Chains | Self::State | Self::Meta => 64,
        }
    }
}

/// Puts values of 1 KiB or more into blob files, which compaction does not rewrite.
///
/// # Source
/// Mediachain RFC 2, "Storage".
fn keep_large_values_apart(options: &mut Options) {
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    options.set_enable_blob_gc(true);
}

/// Write buffers of one family: one active, two being written to disk.
const WRITE_BUFFERS_MAX: i32 = 3;
/// RocksDB's default number of levels.
const LEVELS: usize = 7;
/// New tables that start a compaction. More make compaction cheaper, and reads a little slower until then.
const NEW_TABLES_TO_MERGE: i32 = 8;
const DIGEST_BYTES: usize = 32;
/// With 10 bits, about 1 % of the lookups of absent keys read a table in vain.
const FILTER_BITS_PER_KEY: f64 = 10.0;
const MEMTABLE_FILTER_RATIO: f64 = 0.05;
const BLOB_BYTES_MIN: u64 = 1024;
const BLOB_FILE_BYTES: u64 = 128 * 1024 * 1024;
const BLOCKS_TABLE_BLOCK_BYTES: usize = 16 * 1024;
