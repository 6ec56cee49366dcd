//! The ring as an aggregator sees it: members, their keys and cells.

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::{Id, PublicKey};
use kittengrad_ring::{KeyRange, Point, Ring};

/// Faulty replicas of a cell that an aggregator can tolerate, at most.
pub const TOLERATE_MAX: usize = 1;

/// A cell of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its points.
    pub arc: KeyRange,
    /// The peers that hold it.
    pub replicas: Vec<PublicKey>,
    /// Replicas that must be established.
    pub needed: usize,
}

/// All cells of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    /// Id of the ring.
    pub ring: Id,
    /// The cells, clockwise.
    pub cells: Vec<Cell>,
    /// Faulty replicas of a cell that are tolerated.
    pub tolerate: usize,
}

impl Cells {
    /// Lists the cells of `ring`. `key` returns the key of the member at a point.
    #[must_use]
    pub(crate) fn of(
        id: Id,
        ring: &Ring,
        key: impl Fn(Point) -> Option<PublicKey>,
        tolerate: usize,
    ) -> Self {
        let quorum = ring.replication().quorum();
        let cell = |(owner, arc)| {
            let replicas: Vec<_> = ring.replicas(owner).into_iter().filter_map(&key).collect();
            let unconfirmed = (replicas.len() + 1).saturating_sub(quorum).max(1);
            Cell {
                arc,
                needed: unconfirmed + tolerate,
                replicas,
            }
        };
        Self {
            ring: id,
            cells: ring.cells().map(cell).collect(),
            tolerate,
        }
    }

    /// All members, ascending.
    #[must_use]
    pub(crate) fn members(&self) -> BTreeSet<PublicKey> {
        let replicas = self.cells.iter().flat_map(|cell| &cell.replicas);
        replicas.copied().collect()
    }
}

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

    /// The cells.
    pub(crate) const fn cells(&self) -> &Cells {
        &self.cells
    }
}
