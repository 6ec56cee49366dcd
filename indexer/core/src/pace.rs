//! When an indexer commits, and when it looks for absent records.

use crate::indexer::Indexer;

/// Shortest time between two commits, in milliseconds: a search sees an update after about this time.
pub const INTERVAL_MS_MIN: u64 = 200;
/// Longest pause after a commit, and longest wait of a due commit for an empty queue, in milliseconds.
pub const INTERVAL_MS_MAX: u64 = 2_000;
/// Time between two ticks, in milliseconds.
pub const TICK_MS: u64 = 1_000;
/// Bytes of new records that make a commit due.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of memory that make a commit due: new records, and the sets that were loaded to change them.
const PENDING_WEIGHT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The times of the next commit and the next tick. All times are milliseconds of one monotonic clock.
#[derive(Debug, Clone)]
pub struct Pace {
    cut_from_ms: u64,
    tick_from_ms: u64,
    /// Lookups of absent records that are under way.
    lookups: usize,
}

impl Pace {
    /// Makes commit and tick due immediately.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self {
            cut_from_ms: now_ms,
            tick_from_ms: now_ms,
            lookups: 0,
        }
    }

    /// Whether to commit now. Something must be pending. Also a limit of bytes is reached, or a commit is due and the
    /// queue is empty, or a commit has been due for [`INTERVAL_MS_MAX`].
    #[must_use]
    pub fn should_cut(&self, now_ms: u64, indexer: &Indexer, is_queue_empty: bool) -> bool {
        if !indexer.has_pending() {
            return false;
        }
        let is_full = indexer.pending_bytes() >= PENDING_BYTES_MAX
            || indexer.pending_weight_bytes() >= PENDING_WEIGHT_BYTES_MAX;
        let is_late = now_ms >= self.cut_from_ms + INTERVAL_MS_MAX;
        is_full || is_late || now_ms >= self.cut_from_ms && is_queue_empty
    }

    /// Notes that a commit ended, and its duration. The next one is due after four times that duration, between
    /// [`INTERVAL_MS_MIN`] and [`INTERVAL_MS_MAX`]. So slow commits become larger, and commits of at most 500 ms take a
    /// fifth of the time.
    pub fn committed(&mut self, now_ms: u64, took_ms: u64) {
        self.cut_from_ms = now_ms + (took_ms * 4).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
    }

    /// Whether to hand in a tick now: one is due, and all lookups of the last one ended.
    #[must_use]
    pub const fn should_tick(&self, now_ms: u64) -> bool {
        self.lookups == 0 && now_ms >= self.tick_from_ms
    }

    /// Notes that a tick was handed in.
    pub const fn ticked(&mut self, now_ms: u64) {
        self.tick_from_ms = now_ms + TICK_MS;
    }

    /// Notes that `count` lookups began.
    pub const fn lookups_began(&mut self, count: usize) {
        self.lookups += count;
    }

    /// Notes that a lookup ended, with or without a record.
    pub const fn lookup_ended(&mut self) {
        self.lookups = self.lookups.saturating_sub(1);
    }

    /// The time until a commit or a tick is due, in milliseconds; [`TICK_MS`] while only lookups are under way.
    #[must_use]
    pub fn idle_ms(&self, now_ms: u64, indexer: &Indexer) -> u64 {
        let until_ms = match (indexer.has_pending(), self.lookups) {
            (true, _) => self.cut_from_ms,
            (false, 0) => self.tick_from_ms,
            (false, _) => now_ms + TICK_MS,
        };
        until_ms.saturating_sub(now_ms)
    }
}
