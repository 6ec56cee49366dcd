//! A peer sends its own signatures only after the batch that holds them is synced (S4, S7). Before its commit it sends
//! only forwards, which carry none.

use kittengrad_proto::link::Message;

use super::{Verdict, check};

/// Checks a message before it is sent.
pub(super) fn sends(message: &Message, is_early: bool) -> Verdict {
    let is_free = matches!(
        message,
        Message::Push(_) | Message::Fetch(_) | Message::Follow { .. }
    );
    check(!is_early || is_free, "sync-first", "S4, S7", || {
        format!("sent before the commit: {message:?}")
    })
}
