//! The network recovers (S11): after all faults end, writes to every cell succeed within 10 s, replicas are equal
//! within 30 s, and view and index are complete within 60 s.

use super::Violation;

/// The violation of a goal that was missed.
pub(crate) fn late(goal: &str, within_ms: u64, why: &str) -> Violation {
    let message = format!("{goal} did not come within {within_ms} ms: {why}");
    Violation::new("progress", "S11", message)
}
