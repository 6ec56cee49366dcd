//! Contained is true (S5). Whatever an owner says that its set contains of another journal is in its set, on disk: a peer
//! or an aggregator in the positions of its statement, an aggregator also in the replicas that it takes as established.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_aggregator_core::CellReport;
use kittengrad_journal::{ElementStore as _, MemoryStore, Write};
use kittengrad_proto::{
    block::Head,
    checkpoint::Statement,
    id::{Id, PublicKey},
    merkle::Tree,
    transaction::Element,
};
use kittengrad_ring::Point;

use super::{Verdict, check};

const SOURCE: &str = "S5";
const GROWS: &str = "checkpoint-grows";

/// A block that its owner committed.
#[derive(Debug)]
struct Noted {
    /// The block before it, or the block that its incarnation forks from.
    before: Option<Id>,
    elements: Vec<Element>,
}

/// A set of points in which a journal was found to be contained: all that the signer holds, or one cell of the view.
type Part = (PublicKey, u64, Option<[u8; 32]>);

/// All blocks that were ever committed, and those that were found in the sets of others.
#[derive(Debug, Default)]
pub(crate) struct Contained {
    blocks: BTreeMap<Id, Noted>,
    found: BTreeMap<(Part, PublicKey), BTreeSet<Id>>,
    /// The statement of each owner that was checked last.
    stated: BTreeMap<PublicKey, (u64, u64)>,
}

impl Contained {
    /// Notes the blocks of a commit.
    pub(super) fn commits(&mut self, writes: &[Write]) {
        let mut added: BTreeMap<(u64, u64), Vec<Element>> = BTreeMap::new();
        for write in writes {
            if let Write::Element(element, at) = write {
                let elements = added.entry((at.incarnation, at.height)).or_default();
                elements.push(*element);
            }
        }
        for write in writes {
            let Write::Block(stored) = write else {
                continue;
            };
            let header = &stored.block.header;
            let before = match header.height {
                0 => header.fork.map(|fork| fork.hash),
                _ => Some(header.previous),
            };
            let elements = added.remove(&(header.incarnation, header.height));
            let elements = elements.unwrap_or_default();
            self.blocks
                .insert(header.hash(), Noted { before, elements });
        }
    }

    /// Forgets what was found in the set of an owner whose disk lost data, or that starts.
    pub(crate) fn forget(&mut self, owner: PublicKey) {
        self.found.retain(|((of, ..), _), _| *of != owner);
        self.stated.remove(&owner);
    }

    /// Checks a statement that its owner publishes. `holds` returns whether the owner and another one hold a point.
    pub(crate) fn states(
        &mut self,
        owner: PublicKey,
        statement: &Statement,
        disk: &MemoryStore,
        holds: impl Fn(&PublicKey, Point) -> bool,
    ) -> Verdict {
        let place = (statement.incarnation, statement.checkpoint.height);
        if let Some(before) = self.stated.insert(owner, place) {
            check(before <= place, GROWS, SOURCE, || {
                format!("{owner:?} states {place:?} after {before:?}")
            })?;
        }
        let settled = statement.checkpoint.holds.settled();
        if *settled != statement.checkpoint.holds.held() {
            return Ok(());
        }
        let part = (owner, statement.incarnation, None);
        for (journal, through) in statement.through.iter() {
            let speaks = |point: Point| {
                let arcs = through.arcs.as_ref();
                holds(journal, point) && arcs.is_none_or(|arcs| arcs.contains(point))
            };
            let what = || format!("{owner:?} states {:?} of {journal:?}", through.head);
            self.is_contained(part, *journal, through.head, disk, speaks, "through", what)?;
        }
        Ok(())
    }

    /// Checks the replicas that an aggregator takes as established in its cells.
    pub(super) fn establishes(
        &mut self,
        aggregator: PublicKey,
        cells: &[CellReport],
        disk: &MemoryStore,
    ) -> Verdict {
        for cell in cells {
            let part = (aggregator, 0, Some(*cell.arc.to.as_bytes()));
            for of in &cell.established {
                let speaks = |point| cell.arc.contains(point);
                let what = || format!("{:?} is established by {:?}", of.peer, of.how);
                self.is_contained(part, of.peer, of.head, disk, speaks, "established", what)?;
            }
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "two kinds of statements share it"
    )]
    fn is_contained(
        &mut self,
        part: Part,
        journal: PublicKey,
        head: Head,
        disk: &MemoryStore,
        speaks: impl Fn(Point) -> bool,
        invariant: &'static str,
        what: impl Fn() -> String,
    ) -> Verdict {
        let found = self.found.entry((part, journal)).or_default();
        let mut next = Some(head.hash);
        while let Some(hash) = next.filter(|hash| !found.contains(hash)) {
            let noted = self.blocks.get(&hash);
            check(noted.is_some(), invariant, SOURCE, || {
                format!("{}; nobody has a block {hash:?}", what())
            })?;
            let Some(noted) = noted else { break };
            for element in &noted.elements {
                let is_missing = speaks(element.canonical.point())
                    && disk.contains(&[*element]) != Ok(vec![true]);
                check(!is_missing, invariant, SOURCE, || {
                    format!("{}; {element:?} is not in its set", what())
                })?;
            }
            found.insert(hash);
            next = noted.before;
        }
        Ok(())
    }

    /// Checks the root over all blocks in a statement. `last` is the block at its height.
    pub(crate) fn proves_blocks(&self, statement: &Statement, last: Id) -> Verdict {
        let mut hashes = Vec::new();
        let mut next = Some(last);
        while let Some(hash) = next {
            hashes.push(hash);
            next = self.blocks.get(&hash).and_then(|noted| noted.before);
        }
        let root = Tree::new(hashes.iter().rev().map(|hash| &hash.as_bytes()[..])).root();
        let checkpoint = &statement.checkpoint;
        let is_right = checkpoint.blocks == hashes.len() as u64 && checkpoint.blocks_root == root;
        check(is_right, "block-tree", "S4", || {
            let (blocks, count) = (checkpoint.blocks, hashes.len());
            format!(
                "the root over {blocks} blocks is not that of the {count} blocks up to {last:?}"
            )
        })
    }
}
