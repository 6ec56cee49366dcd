//! Pauses between attempts: each is longer than the last one, and a random part keeps callers out of step.

use std::time::Duration;

use kittengrad_client_core::routing::Backoff;

use crate::clock::random;

/// The pauses of one task that tries again until it succeeds.
///
/// ```
/// use kittengrad_client::pauses::Pauses;
/// use kittengrad_client_core::routing::Backoff;
///
/// let mut pauses = Pauses::new(Backoff { base_ms: 100, max_ms: 2_000 });
/// assert!((50..=100).contains(&pauses.after_failure().as_millis()));
/// assert!((100..=200).contains(&pauses.after_failure().as_millis()));
/// pauses.reset();
/// assert!((50..=100).contains(&pauses.after_failure().as_millis()));
/// ```
#[derive(Debug, Clone)]
pub struct Pauses {
    backoff: Backoff,
    failures: u32,
}

impl Pauses {
    /// Begins without a failure.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            failures: 0,
        }
    }

    /// Counts a failure and returns the pause that follows it.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(self.backoff.wait_ms(self.failures, random()))
    }

    /// Forgets the failures, after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}
