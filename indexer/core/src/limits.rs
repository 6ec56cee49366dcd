//! Every size that an indexer keeps in memory or writes; what travels is limited in `proto`.

/// Bytes of text of one document that are searched: the newest heads first, then no more.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Canonicals of one lookup for records that were absent.
pub const FETCH_CANONICALS_MAX: usize = 100;
/// Absent records of one canonical that are looked up at a time, so that none keeps the others waiting.
pub const FETCH_RECORDS_OF_ONE_MAX: usize = 100;
/// Absent records that are looked up at a time.
pub const FETCH_RECORDS_MAX: usize = 1_000;
/// Canonicals with absent records that are remembered; the store knows the others.
pub const WAITING_MAX: usize = 100_000;
/// Time before the first lookup for an absent record, in milliseconds.
pub const BACK_OFF_MS_MIN: u64 = 1_000;
/// Longest time between two lookups for the same record, in milliseconds.
pub const BACK_OFF_MS_MAX: u64 = 300_000;

const _: () = assert!(BACK_OFF_MS_MIN < BACK_OFF_MS_MAX);
const _: () = assert!(FETCH_RECORDS_OF_ONE_MAX < FETCH_RECORDS_MAX);
