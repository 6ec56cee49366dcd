//! The merged view is the union, each element once (S5). With every commit, the aggregator's set is the union of its
//! sources' journals up to its positions in them. In the end it has all elements, and it never shrinks. Duplicates and
//! gaps in offsets are checked with every commit, as for peers.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_journal::{ElementStore as _, MemoryStore, RowKey, Write, applied};
use kittengrad_proto::{id::PublicKey, limits::BLOCK_BYTES_MAX, transaction::Element};

use super::{Verdict, check};

/// The place of a block in its owner's journals: incarnation and height.
type Place = (u64, u64);

/// All elements that the aggregator ever emitted, and the elements of the peers' journals.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) ever: BTreeSet<Element>,
    /// The elements of each block.
    pub(crate) by_block: BTreeMap<Place, Vec<Element>>,
    /// The blocks of peers that ever listed an element, and the other way round.
    listed_by: BTreeMap<Element, Vec<(PublicKey, Place)>>,
    lists: BTreeMap<PublicKey, BTreeMap<Place, Vec<Element>>>,
}

impl Merged {
    /// Notes the elements of a commit of a peer.
    pub(super) fn lists(&mut self, owner: PublicKey, writes: &[Write]) {
        let lists = self.lists.entry(owner).or_default();
        for (element, place) in added(writes) {
            self.listed_by
                .entry(element)
                .or_default()
                .push((owner, place));
            lists.entry(place).or_default().push(element);
        }
    }

    /// Checks a commit of the aggregator before it is written.
    pub(super) fn commits(&mut self, disk: &MemoryStore, writes: &[Write]) -> Verdict {
        for write in writes {
            let is_removed = matches!(write, Write::Remove(RowKey::Element(element)) if disk.contains(&[*element]) == Ok(vec![true]));
            check(!is_removed, "shrinks", "S5", || {
                format!("the view loses {write:?}")
            })?;
        }
        let mut states = MemoryStore::default();
        let is_state = |write: &&Write| matches!(write, Write::State(..));
        states.commit(writes.iter().filter(is_state).cloned().collect());
        let before = positions(disk, self.lists.keys());
        let mut after = before.clone();
        after.extend(positions(&states, self.lists.keys()));
        self.nothing_more(&after, writes)?;
        self.nothing_less((&before, &after), disk, writes)?;
        for (element, place) in added(writes) {
            self.ever.insert(element);
            self.by_block.entry(place).or_default().push(element);
        }
        Ok(())
    }

    /// Checks that the journals list the new elements up to the positions. A block that is full may end within the next
    /// block of a source.
    fn nothing_more(&self, positions: &Positions, writes: &[Write]) -> Verdict {
        let is_large = bytes(writes) > BLOCK_BYTES_MAX / 4;
        for (element, _) in added(writes) {
            let by = self.listed_by.get(&element).map_or(&[][..], |by| by);
            let is_read = by.iter().any(|(owner, at)| {
                let read = positions.get(owner);
                read >= Some(at) || is_large && first_unread(read, at.0) == *at
            });
            check(is_read, "merged", "S5", || {
                format!(
                    "{element:?} is emitted, and no journal lists it up to the positions: {by:?}"
                )
            })?;
        }
        Ok(())
    }

    /// Checks that the set has all elements of the blocks that the positions pass.
    fn nothing_less(
        &self,
        (before, after): (&Positions, &Positions),
        disk: &MemoryStore,
        writes: &[Write],
    ) -> Verdict {
        let new: BTreeSet<_> = added(writes).map(|(element, _)| element).collect();
        for (owner, last) in after {
            let first = first_unread(before.get(owner), last.0);
            if first > *last {
                continue;
            }
            for (place, elements) in self.lists[owner].range(first..=*last) {
                let known = elements.iter().zip(disk.contains(elements).unwrap());
                let mut lacking = known.filter(|(element, known)| !known && !new.contains(element));
                let lacking = lacking.next();
                check(lacking.is_none(), "merged", "S5", || {
                    format!("block {place:?} of {owner:?} is passed, and the set lacks {lacking:?}")
                })?;
            }
        }
        Ok(())
    }
}

type Positions = BTreeMap<PublicKey, Place>;

/// The positions of an aggregator's disk in the journals of these owners.
fn positions<'a>(disk: &MemoryStore, owners: impl Iterator<Item = &'a PublicKey>) -> Positions {
    let position = |owner: &PublicKey| {
        let applied = applied(disk, *owner).expect("a disk in memory answers")?;
        let head = applied.follower.head()?;
        Some((*owner, (head.incarnation, head.height)))
    };
    owners.filter_map(position).collect()
}

/// The first block of an incarnation that is not read.
fn first_unread(read: Option<&Place>, incarnation: u64) -> Place {
    match read {
        Some((last, height)) if *last == incarnation => (incarnation, height + 1),
        _ => (incarnation, 0),
    }
}

/// Bytes of the transactions and records of a commit.
fn bytes(writes: &[Write]) -> usize {
    let bytes = writes.iter().map(|write| match write {
        Write::Transaction(_, bytes) | Write::Record(_, bytes) => bytes.len(),
        _ => 0,
    });
    bytes.sum()
}

/// The elements that a commit adds, each with its block.
fn added(writes: &[Write]) -> impl Iterator<Item = (Element, Place)> {
    writes.iter().filter_map(|write| match write {
        Write::Element(element, at) => Some((*element, (at.incarnation, at.height))),
        _ => None,
    })
}

/// Checks that the view has every element of any journal.
pub(crate) fn is_union(view: &BTreeSet<Element>, union: &BTreeSet<Element>) -> Verdict {
    let missing = union.difference(view).next();
    check(missing.is_none(), "merged", "S5", || {
        let count = union.difference(view).count();
        format!("the view lacks {count} elements, {missing:?} among them")
    })
}
