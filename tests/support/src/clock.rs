//! Clocks: the current time, and fixed times for tests that must not depend on it.

use std::time::SystemTime;

/// 2026-09-21 12:53:20 UTC.
pub const NOW_MS: u64 = 1_790_000_000_000;
/// A day, in milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// An hour, in milliseconds.
pub const HOUR_MS: u64 = 60 * 60 * 1_000;

/// The current Unix time in milliseconds, for checks by TLS libraries and OpenSSL.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
