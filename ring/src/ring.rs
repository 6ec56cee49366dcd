//! The ring: its members in order, which of them owns a point, and which keep a copy.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::key_range::KeyRange;
use crate::point::Point;
use crate::replicas::Replicas;

/// The members of a namespace, in the order in which they stand on the circle.
///
/// A member is named by its point, and a cell by the point of the member that owns it, so that a
/// name means the same in every ring. Asked about a point where no member stands, a method answers
/// with nothing: no cell, no replicas, no partners. The *places* between two members are the steps
/// from one to the next, counted the shorter way round.
#[derive(Clone, PartialEq, Eq)]
pub struct Ring {
    /// Ascending, without duplicates, never empty. A member's index in this list means nothing in
    /// another ring and does not leave this crate.
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

    /// Whether a member stands at `point`.
    pub fn has_member(&self, point: Point) -> bool {
        self.index_of(point).is_some()
    }

    /// The configured number of copies.
    pub fn replication(&self) -> Replicas {
        self.replicas
    }

    /// The member whose cell contains `point`: the closest in either direction. Exactly between two
    /// it is the one that comes first clockwise, because cells include their ends.
    pub fn owner(&self, point: Point) -> Point {
        self.members[self.owner_index(point)]
    }

    /// The part of the circle that a member owns: from the middle of the gap before it to the
    /// middle of the gap after it. It always contains the member's own point; a lone member's cell
    /// is the whole circle.
    pub fn cell(&self, owner: Point) -> Option<KeyRange> {
        Some(self.cell_at(self.index_of(owner)?))
    }

    /// All cells with their owners, in the order of the owners. They tile the circle.
    pub fn cells(&self) -> impl Iterator<Item = (Point, KeyRange)> {
        let members = self.members.iter().enumerate();
        members.map(|(index, owner)| (*owner, self.cell_at(index)))
    }

    /// The members that keep the cell of `owner`: the owner first, then its h neighbours on each
    /// side, the closest in places first. All members, if there are no more than R.
    pub fn replicas(&self, owner: Point) -> Vec<Point> {
        self.around(self.index_of(owner), self.replicas.get())
    }

    /// The members that keep `point`: the [`replicas`](Self::replicas) of the cell it lies in.
    pub fn replicas_of(&self, point: Point) -> Vec<Point> {
        self.around(Some(self.owner_index(point)), self.replicas.get())
    }

    /// Whether `member` is one of those that keep `point`.
    pub fn holds(&self, member: Point, point: Point) -> bool {
        self.index_of(member)
            .is_some_and(|index| self.keeps_cell(index, self.owner_index(point)))
    }

    /// The arc that `member` keeps: its own cell and those of its h neighbours on each side. The whole circle, if there
    /// are no more than R members.
    pub fn held(&self, member: Point) -> Option<KeyRange> {
        let first = self.counter_clockwise(self.index_of(member)?, self.replicas.h());
        Some(self.cells_from(first, self.replicas.get()))
    }

    /// The members that keep a cell which `member` keeps too: all others within 2h places, the
    /// closest first.
    pub fn partners(&self, member: Point) -> Vec<Point> {
        let within_two_h = 4 * self.replicas.h() + 1;
        let mut partners = self.around(self.index_of(member), within_two_h);
        partners.retain(|partner| *partner != member);
        partners
    }

    /// The cells that both members keep, by their owners, clockwise through the arc that `a` holds.
    pub fn shared_cells(&self, a: Point, b: Point) -> Vec<Point> {
        let (Some(a), Some(b)) = (self.index_of(a), self.index_of(b)) else {
            return Vec::new();
        };
        let first = self.counter_clockwise(a, self.replicas.h());
        (0..self.window())
            .map(|places| self.clockwise(first, places))
            .filter(|&cell| self.keeps_cell(b, cell))
            .map(|cell| self.members[cell])
            .collect()
    }

    /// The member at `index` and its neighbours, one after it and one before it in turn: `count` in
    /// all, or as many as there are.
    fn around(&self, index: Option<usize>, count: usize) -> Vec<Point> {
        let Some(index) = index else {
            return Vec::new();
        };
        (0..count.min(self.members.len()))
            .map(|nth| {
                if nth % 2 == 1 {
                    self.clockwise(index, nth.div_ceil(2))
                } else {
                    self.counter_clockwise(index, nth / 2)
                }
            })
            .map(|index| self.members[index])
            .collect()
    }
}

/// Members by their index in this ring.
impl Ring {
    pub(crate) fn cell_at(&self, owner: usize) -> KeyRange {
        let member = self.members[owner];
        let before = self.members[self.counter_clockwise(owner, 1)];
        let after = self.members[self.clockwise(owner, 1)];
        KeyRange::new(before.mid(member), member.mid(after))
    }

    /// The union of `count` neighbouring cells, `first` and those after it. All of them are the
    /// whole circle: the last ends where the first begins.
    pub(crate) fn cells_from(&self, first: usize, count: usize) -> KeyRange {
        let last = self.clockwise(first, count.min(self.members.len()) - 1);
        KeyRange::new(self.cell_at(first).from, self.cell_at(last).to)
    }

    /// The number of cells that a member keeps, and of members that keep a cell: R, or all.
    pub(crate) fn window(&self) -> usize {
        self.replicas.get().min(self.members.len())
    }

    pub(crate) fn clockwise(&self, index: usize, places: usize) -> usize {
        (index + places) % self.members.len()
    }

    pub(crate) fn counter_clockwise(&self, index: usize, places: usize) -> usize {
        let count = self.members.len();
        (index + count - places % count) % count
    }

    fn index_of(&self, member: Point) -> Option<usize> {
        self.members.binary_search(&member).ok()
    }

    fn owner_index(&self, point: Point) -> usize {
        let behind = self.members.partition_point(|&member| member < point);
        let after = self.clockwise(behind, 0);
        let before = self.counter_clockwise(after, 1);
        if self.members[before].is_nearest_to(point, self.members[after]) {
            before
        } else {
            after
        }
    }

    /// Whether `member` keeps the cell of `owner`: it does within h places.
    fn keeps_cell(&self, member: usize, owner: usize) -> bool {
        let one_way = member.abs_diff(owner);
        one_way.min(self.members.len() - one_way) <= self.replicas.h()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R={} {:?}", self.replicas, self.members)
    }
}

/// Why members do not form a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// There are no members.
    Empty,
    /// Two members have this point.
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
