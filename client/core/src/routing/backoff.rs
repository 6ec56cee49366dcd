//! Back-off: waits that grow with each failure, with a random part so that callers do not act at the same moment.

/// The waits before further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure, in milliseconds; it doubles with each further one.
    pub base_ms: u64,
    /// The longest wait, in milliseconds.
    pub max_ms: u64,
}

impl Backoff {
    /// The wait after `failures` failures: between half and the whole of `base_ms` · 2^(failures − 1), at most
    /// `max_ms`. `random` is any number; it selects a value in that range.
    ///
    /// ```
    /// # use kittengrad_client_core::routing::Backoff;
    /// let backoff = Backoff { base_ms: 100, max_ms: 1_000 };
    /// assert_eq!(backoff.wait_ms(0, 7), 0);
    /// assert!((50..=100).contains(&backoff.wait_ms(1, 7)));
    /// assert!((500..=1_000).contains(&backoff.wait_ms(60, 7)));
    /// ```
    #[must_use]
    pub const fn wait_ms(&self, failures: u32, random: u64) -> u64 {
        if failures == 0 {
            return 0;
        }
        let doublings = if failures > 32 { 32 } else { failures - 1 };
        let grown = self.base_ms.saturating_mul(1 << doublings);
        let longest = if grown < self.max_ms {
            grown
        } else {
            self.max_ms
        };
        let half = longest / 2;
        // `longest - half + 1` is at least 1, so this neither overflows nor divides by zero below 2^64 - 1.
        half + random % (longest - half).saturating_add(1)
    }
}
