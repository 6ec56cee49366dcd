//! What a replica showed once it shows always (S1): unless its disk lost something, for then what nobody acknowledged may
//! be gone.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::RecordId;

use super::{Verdict, check};
use crate::host::Node;

/// What each replica answered to lookups.
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
                format!("{from} showed {canonical}, and knows nothing of it any more")
            });
        };
        let shown = of_node.entry(canonical).or_default();
        let is_gone = |id: &&RecordId| !set.contains(id);
        let gone = shown.iter().find(is_gone).copied();
        shown.extend(set);
        check(gone.is_none(), "monotone", "S1", || {
            format!("{from} showed {gone:?} of {canonical}, and does not any more")
        })
    }

    pub(super) fn forget(&mut self, node: Node) {
        self.0.remove(&node);
    }
}
