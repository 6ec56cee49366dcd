//! Limits of everything that an indexer keeps in memory or writes. Limits of messages are in `proto`.

/// Bytes of searched text of one document. The newest heads come first; text beyond the limit is not searched.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Canonicals in one lookup for absent records.
pub const FETCH_CANONICALS_MAX: usize = 100;
/// Absent records of one canonical in one lookup. A canonical with many absent records does not hold up the others.
pub const FETCH_RECORDS_OF_ONE_MAX: usize = 100;
/// Absent records in one lookup, over all canonicals.
pub const FETCH_RECORDS_MAX: usize = 1_000;
/// Canonicals with absent records in memory. The store has the others.
pub const WAITING_MAX: usize = 100_000;
/// Time before the first lookup for an absent record, in milliseconds.
pub const BACK_OFF_MS_MIN: u64 = 1_000;
/// Longest time between two lookups for the same record, in milliseconds.
pub const BACK_OFF_MS_MAX: u64 = 300_000;

const _: () = assert!(BACK_OFF_MS_MIN < BACK_OFF_MS_MAX);
const _: () = assert!(FETCH_RECORDS_OF_ONE_MAX < FETCH_RECORDS_MAX);
