//! Quiet is quiet (S5). Without writes no journal grows, and the number of messages does not grow: nothing answers itself.

use std::collections::BTreeMap;

use kittengrad_proto::{block::Head, id::PublicKey};

use super::{Verdict, check};

/// The journals and the messages of a network at one moment.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    /// The head of each journal.
    pub(crate) heads: BTreeMap<PublicKey, Head>,
    /// Messages and frames since the start.
    pub(crate) messages: u64,
}

/// Checks three moments, at equal distances, of a time without writes and faults.
pub(crate) fn is_quiet([first, middle, last]: &[Moment; 3]) -> Verdict {
    for (owner, head) in &last.heads {
        let before = first.heads.get(owner);
        check(before == Some(head), "quiet", "S5", || {
            format!("the journal of {owner:?} grows without writes, from {before:?} to {head:?}")
        })?;
    }
    let (early, late) = (
        middle.messages - first.messages,
        last.messages - middle.messages,
    );
    check(late <= early + early / 4 + 50, "quiet", "S5", || {
        format!("{early} messages without writes, then {late} in the same time")
    })
}
