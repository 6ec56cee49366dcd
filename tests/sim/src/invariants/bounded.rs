//! Resources are bounded (S9): a peer without waiting submissions counts no waiting bytes. Bytes that stay counted
//! would fill its limit, and the peer would refuse every later write.

use kittengrad_node_core::Status;

use super::{Verdict, check};

/// Checks the status after a round.
pub(crate) fn is_released(status: &Status) -> Verdict {
    let is_released = status.waiting > 0 || status.waiting_bytes == 0;
    check(is_released, "bounded", "S9", || {
        format!(
            "no submission waits, and {} bytes are counted as waiting",
            status.waiting_bytes
        )
    })
}
