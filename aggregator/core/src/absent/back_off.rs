//! The times between two fetches of the same record: each is twice as long as the one before.

/// Time before an absent record is fetched again, in milliseconds, at first and at most. It doubles each time.
const BACK_OFF_MS_MIN: u64 = 5_000;
const BACK_OFF_MS_MAX: u64 = 600_000;

/// The time of the next fetch, and the time between the last one and it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BackOff {
    /// Monotonic.
    pub(super) due_ms: u64,
    wait_ms: u64,
}

impl BackOff {
    pub(super) const fn begin(now_ms: u64) -> Self {
        Self {
            due_ms: now_ms.saturating_add(BACK_OFF_MS_MIN),
            wait_ms: BACK_OFF_MS_MIN,
        }
    }

    pub(super) const fn is_due(&self, now_ms: u64) -> bool {
        self.due_ms <= now_ms
    }

    /// Whether the time between two fetches does not grow any more.
    pub(super) const fn is_longest(&self) -> bool {
        self.wait_ms >= BACK_OFF_MS_MAX
    }

    pub(super) fn double(&mut self, now_ms: u64) {
        self.wait_ms = (self.wait_ms * 2).min(BACK_OFF_MS_MAX);
        self.due_ms = now_ms.saturating_add(self.wait_ms);
    }

    /// Starts again from `other`, or earlier if it is due earlier.
    pub(super) fn hasten(&mut self, other: Self) {
        self.due_ms = self.due_ms.min(other.due_ms);
        self.wait_ms = other.wait_ms;
    }
}
