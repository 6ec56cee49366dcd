//! The two clocks of the edge: a monotonic one for waiting, and the wall clock for signing.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::{Duration, Instant};

/// Unix time in milliseconds; 0 if the machine's clock is before 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since a client was made, for the state machines that get the time as an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The instant at which the clock shows `ms`; a day from now if it cannot be represented.
    pub(crate) fn at(&self, ms: u64) -> Instant {
        let far = Duration::from_secs(24 * 60 * 60);
        self.0
            .checked_add(Duration::from_millis(ms))
            .unwrap_or_else(|| Instant::now() + far)
    }
}

/// A random number for jitter; its quality does not matter.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| wall_ms())
}
