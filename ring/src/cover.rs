//! Covers: the fewest members whose journals together have everything that any member that is up holds.

use alloc::vec::Vec;

use crate::key_range::KeyRange;
use crate::point::Point;
use crate::ring::Ring;

/// A smallest set of members to read from, and the arcs that no member that is up holds.
///
/// The arcs of the sources and the uncovered ones are disjoint, and together they are the whole
/// circle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cover {
    /// The members to read from, each once, clockwise.
    pub sources: Vec<Source>,
    /// The arcs that no member that is up holds, each as long as possible, clockwise.
    pub uncovered: Vec<KeyRange>,
}

/// One member of a cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The member.
    pub member: Point,
    /// The arc that this source is read for. The source may hold more.
    pub arc: KeyRange,
}

impl Ring {
    /// Plans a cover from the members that are `up`.
    ///
    /// No smaller set of them holds as much. With all N members up it is every R-th, ceil(N/R) in all. A cell whose
    /// holders are all down is uncovered. `up` is called once for each member; the same answers give the same cover.
    /// # Source
    /// *Radical Kittengrad* (Mediachain, 2016), "Streaming, Aggregation and Online Indexing"; the
    /// sweep is the one known from covering a circle by arcs.
    pub fn cover(&self, up: impl Fn(Point) -> bool) -> Cover {
        let plan = Plan {
            ring: self,
            up: self.members().iter().copied().map(up).collect(),
        };
        plan.starts()
            .into_iter()
            .map(|start| plan.sweep(start))
            .min_by_key(|cover| cover.sources.len())
            .expect("a ring has a cell to start from")
    }
}

/// A ring, and the members of it that are up.
///
/// Counted in cells, all members hold the same: a window of R cells with their own in the middle.
/// So of two windows, the one that begins later ends later.
struct Plan<'a> {
    ring: &'a Ring,
    up: Vec<bool>,
}

impl Plan<'_> {
    /// Cells of which one is right to start the sweep from.
    ///
    /// A gap cuts the circle into a line that starts just after the gap. Without gaps, the source of
    /// a smallest cover that holds cell number R - 1 has a window that starts at one of the cells 0
    /// to R - 1. The sweep must start there.
    fn starts(&self) -> Vec<usize> {
        let ends_a_gap = |cell: usize| {
            let before = self.ring.counter_clockwise(cell, 1);
            self.furthest(before).is_none() && self.furthest(cell).is_some()
        };
        match (0..self.up.len()).find(|&cell| ends_a_gap(cell)) {
            Some(cell) => [cell].into(),
            None => (0..self.ring.window()).collect(),
        }
    }

    /// Walks once round the circle, and at each cell that is not covered takes the member whose window reaches
    /// furthest.
    ///
    /// From the right start this is a smallest cover: by induction, after its k-th source the sweep
    /// has come at least as far as any k members can that cover everything behind them.
    fn sweep(&self, start: usize) -> Cover {
        let count = self.up.len();
        let mut cover = Cover::default();
        let mut done = 0;
        while done < count {
            let cell = self.ring.clockwise(start, done);
            let left = count - done;
            if let Some((member, reach)) = self.furthest(cell) {
                let cells = reach.min(left);
                let arc = self.ring.cells_from(cell, cells);
                let member = self.ring.members()[member];
                cover.sources.push(Source { member, arc });
                done += cells;
            } else {
                let cells = self.gap(cell).min(left);
                cover.uncovered.push(self.ring.cells_from(cell, cells));
                done += cells;
            }
        }
        cover
    }

    /// Of the members that are up and hold `cell`, the one whose window reaches furthest clockwise, and the number of
    /// cells from `cell` to its end.
    fn furthest(&self, cell: usize) -> Option<(usize, usize)> {
        let replicas = self.ring.replication();
        let last = self.ring.clockwise(cell, replicas.h());
        let holder = |back| self.ring.counter_clockwise(last, back);
        (0..replicas.get())
            .find(|&back| self.up[holder(back)])
            .map(|back| (holder(back), replicas.get() - back))
    }

    /// The number of cells from `cell` on whose holders are all down.
    fn gap(&self, cell: usize) -> usize {
        (0..self.up.len())
            .take_while(|&places| self.furthest(self.ring.clockwise(cell, places)).is_none())
            .count()
    }
}
