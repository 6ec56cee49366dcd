//! The merged view is the union, each element once (S5). The aggregator's set has all elements of its sources' journals
//! and never shrinks. Duplicates and gaps in offsets are checked with every commit, as for peers.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{ElementStore as _, MemoryStore, RowKey, Write};
use kittengrad_proto::transaction::Element;

use super::{Verdict, check};

/// All elements that the aggregator ever emitted.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) ever: BTreeSet<Element>,
    /// The elements of each block.
    pub(crate) by_block: BTreeMap<(u64, u64), Vec<Element>>,
}

impl Merged {
    /// Notes a commit. The set never shrinks: no element is removed.
    pub(super) fn commits(&mut self, disk: &MemoryStore, writes: &[Write]) -> Verdict {
        for write in writes {
            let is_removed = matches!(write, Write::Remove(RowKey::Element(element)) if disk.contains(&[*element]) == Ok(vec![true]));
            check(!is_removed, "shrinks", "S5", || {
                format!("the view loses {write:?}")
            })?;
            if let Write::Element(element, locator) = write {
                self.ever.insert(*element);
                let place = (locator.incarnation, locator.height);
                self.by_block.entry(place).or_default().push(*element);
            }
        }
        Ok(())
    }
}

/// Checks that the view has every element of any journal.
pub(crate) fn is_union(view: &BTreeSet<Element>, union: &BTreeSet<Element>) -> Verdict {
    let missing = union.difference(view).next();
    check(missing.is_none(), "merged", "S5", || {
        let count = union.difference(view).count();
        format!("the view lacks {count} elements, {missing:?} among them")
    })
}
