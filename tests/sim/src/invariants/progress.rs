//! It goes on again (S11): once nothing is in the way, writes to every cell succeed within 10 s, replicas are equal within
//! 30 s, and view and index are complete within 60 s.

use super::Violation;

/// What was promised did not come in time.
pub(crate) fn late(what: &str, within_ms: u64, why: &str) -> Violation {
    let what = format!("{what} did not come within {within_ms} ms: {why}");
    Violation::new("progress", "S11", what)
}
