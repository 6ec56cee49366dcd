//! The merged view is the union, each once (S5): the aggregator's set has whatever its sources' journals have, and never
//! shrinks. That nothing comes twice and offsets have no holes is looked at with every commit, as for peers.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::Write;
use kittengrad_proto::transaction::Element;

use super::{Verdict, check};

/// Everything that the aggregator ever emitted.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) ever: BTreeSet<Element>,
    /// By block.
    pub(crate) by_block: BTreeMap<(u64, u64), Vec<Element>>,
}

impl Merged {
    pub(super) fn commits(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Element(element, locator) = write {
                self.ever.insert(*element);
                let place = (locator.incarnation, locator.height);
                self.by_block.entry(place).or_default().push(*element);
            }
        }
    }
}

/// In the end the view has everything that any journal has.
pub(crate) fn is_union(view: &BTreeSet<Element>, union: &BTreeSet<Element>) -> Verdict {
    let missing = union.difference(view).next();
    check(missing.is_none(), "merged", "S5", || {
        let count = union.difference(view).count();
        format!("the view lacks {count} elements, {missing:?} among them")
    })
}
