//! A replica's answers only grow (S1), until its disk loses data: then elements without an acknowledgement may be gone.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::RecordId;

use super::{Verdict, check};
use crate::host::Node;

/// The answers of each replica to lookups.
#[derive(Debug, Default)]
pub(super) struct Lookups(BTreeMap<Node, BTreeMap<RecordId, BTreeSet<RecordId>>>);

impl Lookups {
    pub(super) fn shows(
        &mut self,
        from: Node,
        canonical: RecordId,
        set: Option<&[RecordId]>,
    ) -> Verdict {
        let of_node = self.0.entry(from).or_default();
        let Some(set) = set else {
            return check(!of_node.contains_key(&canonical), "monotone", "S1", || {
                format!("{from} showed {canonical} before, and now does not know it")
            });
        };
        let shown = of_node.entry(canonical).or_default();
        let is_gone = |id: &&RecordId| !set.contains(id);
        let gone = shown.iter().find(is_gone).copied();
        shown.extend(set);
        check(gone.is_none(), "monotone", "S1", || {
            format!("{from} showed {gone:?} of {canonical} before, and now does not")
        })
    }

    pub(super) fn forget(&mut self, node: Node) {
        self.0.remove(&node);
    }
}
