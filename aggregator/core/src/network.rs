//! The ring as an aggregator sees it: members, their keys and cells.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::{Id, PublicKey};
use kittengrad_ring::{KeyRanges, Point, Ring};

use crate::complete::Cells;

/// A ring with the keys of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    ring: Ring,
    keys: BTreeMap<Point, PublicKey>,
    cells: Cells,
}

impl Network {
    /// Makes the network of a ring. `keys` are those of its members, and `tolerate` is the number of faulty replicas in
    /// each cell that do not make the view incomplete.
    #[must_use]
    pub fn new(
        id: Id,
        ring: Ring,
        keys: impl IntoIterator<Item = PublicKey>,
        tolerate: usize,
    ) -> Self {
        let keys: BTreeMap<_, _> = keys.into_iter().map(|key| (key.point(), key)).collect();
        let cells = Cells::of(id, &ring, |point| keys.get(&point).copied(), tolerate);
        Self { ring, keys, cells }
    }

    /// The ring.
    #[must_use]
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The key of the member at a point.
    #[must_use]
    pub fn key_at(&self, point: Point) -> Option<PublicKey> {
        self.keys.get(&point).copied()
    }

    /// All members, ascending.
    #[must_use]
    pub fn members(&self) -> BTreeSet<PublicKey> {
        self.cells.members()
    }

    /// Whether a member holds a cell in any of the arcs.
    pub(crate) fn holds_any(&self, member: &PublicKey, arcs: &KeyRanges) -> bool {
        let mut cells = self.cells.cells.iter();
        cells.any(|cell| cell.replicas.contains(member) && arcs.overlaps(cell.arc))
    }

    /// The cells.
    pub(crate) const fn cells(&self) -> &Cells {
        &self.cells
    }
}
