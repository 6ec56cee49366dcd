//! The ring: its members in order, which of them owns a point, and who keeps a copy.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::key_range::KeyRange;
use crate::point::Point;
use crate::replicas::Replicas;

/// The members of a namespace, in the order in which they stand on the circle.
///
/// Members are named by their index in [`members`](Self::members), and a cell by the index of the
/// member that owns it. The *places* between two members are the steps from one to the next,
/// counted the shorter way round. A method that is given an index of another ring gives a wrong
/// answer or panics.
#[derive(Clone, PartialEq, Eq)]
pub struct Ring {
    /// Ascending, without duplicates, never empty.
    members: Box<[Point]>,
    replicas: Replicas,
}

impl Ring {
    /// The ring of these members, given in any order.
    /// # Errors
    /// [`RingError`] if there are none, or one of them twice.
    pub fn new(
        members: impl IntoIterator<Item = Point>,
        replicas: Replicas,
    ) -> Result<Self, RingError> {
        let mut members: Box<[Point]> = members.into_iter().collect();
        members.sort_unstable();
        if members.is_empty() {
            return Err(RingError::Empty);
        }
        if let Some(pair) = members.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(RingError::Duplicate(pair[0]));
        }
        Ok(Self { members, replicas })
    }

    /// All members, ascending; at least one.
    pub fn members(&self) -> &[Point] {
        &self.members
    }

    /// The configured number of copies.
    pub fn replication(&self) -> Replicas {
        self.replicas
    }

    /// Which member stands at `point`, if one does.
    pub fn index_of(&self, point: Point) -> Option<usize> {
        self.members.binary_search(&point).ok()
    }

    /// The member whose cell has `point`: the closest in either direction. Exactly between two it
    /// is the one that comes first clockwise, because cells include their ends.
    pub fn owner(&self, point: Point) -> usize {
        let behind = self.members.partition_point(|&member| member < point);
        let after = self.clockwise(behind, 0);
        let before = self.counter_clockwise(after, 1);
        if self.members[before].is_nearest_to(point, self.members[after]) {
            before
        } else {
            after
        }
    }

    /// The part of the circle that a member owns: from the middle of the gap before it to the
    /// middle of the gap after it. It always has the member's own point; a lone member's cell is
    /// the whole circle.
    pub fn cell(&self, owner: usize) -> KeyRange {
        let member = self.members[owner];
        let before = self.members[self.counter_clockwise(owner, 1)];
        let after = self.members[self.clockwise(owner, 1)];
        KeyRange::new(before.mid(member), member.mid(after))
    }

    /// All cells, in the order of their owners. They tile the circle.
    pub fn cells(&self) -> impl Iterator<Item = KeyRange> {
        (0..self.members.len()).map(|owner| self.cell(owner))
    }

    /// Who keeps the cell of `owner`: the owner first, then its h neighbours on each side, the
    /// closest in places first. All members, if there are no more than R.
    pub fn replicas(&self, owner: usize) -> Vec<usize> {
        self.around(owner, self.replicas.get()).collect()
    }

    /// Who keeps `point`: the [`replicas`](Self::replicas) of the cell it lies in.
    pub fn replicas_of(&self, point: Point) -> Vec<usize> {
        self.replicas(self.owner(point))
    }

    /// Whether `member` is one of those that keep `point`.
    pub fn holds(&self, member: usize, point: Point) -> bool {
        self.keeps_cell(member, self.owner(point))
    }

    /// All that `member` keeps: its own cell and those of its h neighbours on each side. The whole
    /// circle, if there are no more than R members.
    pub fn held(&self, member: usize) -> KeyRange {
        let first = self.counter_clockwise(member, self.replicas.h());
        self.cells_from(first, self.replicas.get())
    }

    /// The members that keep a cell which `member` keeps too: all others within 2h places, the
    /// closest first.
    pub fn partners(&self, member: usize) -> Vec<usize> {
        let within_two_h = 4 * self.replicas.h() + 1;
        self.around(member, within_two_h).skip(1).collect()
    }

    /// The cells that both members keep, by their owners, clockwise through what `a` holds.
    pub fn shared_cells(&self, a: usize, b: usize) -> Vec<usize> {
        let first = self.counter_clockwise(a, self.replicas.h());
        (0..self.window())
            .map(|places| self.clockwise(first, places))
            .filter(|&cell| self.keeps_cell(b, cell))
            .collect()
    }

    /// Whether `member` keeps the cell of `owner`: it does within h places.
    fn keeps_cell(&self, member: usize, owner: usize) -> bool {
        let one_way = member.abs_diff(owner);
        one_way.min(self.members.len() - one_way) <= self.replicas.h()
    }

    /// `member` and its neighbours, one after it and one before it in turn: `count` in all, or as
    /// many as there are.
    fn around(&self, member: usize, count: usize) -> impl Iterator<Item = usize> {
        (0..count.min(self.members.len())).map(move |nth| {
            if nth % 2 == 1 {
                self.clockwise(member, nth.div_ceil(2))
            } else {
                self.counter_clockwise(member, nth / 2)
            }
        })
    }

    /// The union of `count` neighbouring cells, `first` and those after it. All of them are the
    /// whole circle: the last ends where the first begins.
    pub(crate) fn cells_from(&self, first: usize, count: usize) -> KeyRange {
        let last = self.clockwise(first, count.min(self.members.len()) - 1);
        KeyRange::new(self.cell(first).from, self.cell(last).to)
    }

    /// How many cells a member keeps, and how many members a cell: R, or all.
    pub(crate) fn window(&self) -> usize {
        self.replicas.get().min(self.members.len())
    }

    pub(crate) fn clockwise(&self, member: usize, places: usize) -> usize {
        (member + places) % self.members.len()
    }

    pub(crate) fn counter_clockwise(&self, member: usize, places: usize) -> usize {
        let count = self.members.len();
        (member + count - places % count) % count
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R={} {:?}", self.replicas, self.members)
    }
}

/// Why these members make no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// There are no members, so nobody would own anything.
    Empty,
    /// Two members claim this point, so neither could own it.
    Duplicate(Point),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a ring needs at least one member"),
            Self::Duplicate(point) => write!(f, "two members stand at point {point}"),
        }
    }
}

impl Error for RingError {}
