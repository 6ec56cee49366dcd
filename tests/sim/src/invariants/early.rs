//! Nothing that a peer signed leaves it before the batch that holds it was synced (S4, S7): before the commit it sends
//! nothing but what others signed.

use kittengrad_proto::link::Message;

use super::{Verdict, check};

/// A message is about to be sent.
pub(super) fn sends(message: &Message, is_early: bool) -> Verdict {
    let is_free = matches!(
        message,
        Message::Push(_) | Message::Fetch(_) | Message::Follow { .. }
    );
    check(!is_early || is_free, "sync-first", "S4, S7", || {
        format!("sent before the commit: {message:?}")
    })
}
