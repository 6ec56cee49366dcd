//! Resources are bounded (S9): a peer for which no submission waits counts no bytes of any. What it counted on would
//! fill its limit, and every later write would be refused.

use kittengrad_node_core::Status;

use super::{Verdict, check};

/// A round of a peer ended.
pub(crate) fn is_released(status: &Status) -> Verdict {
    let is_released = status.waiting > 0 || status.waiting_bytes == 0;
    check(is_released, "bounded", "S9", || {
        format!(
            "no submission waits, and {} bytes are counted as waiting",
            status.waiting_bytes
        )
    })
}
