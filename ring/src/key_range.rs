//! Key ranges: the arcs of the circle, each walked clockwise from one point to another.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::RangeInclusive;

use crate::length::Length;
use crate::point::Point;

/// The points met on a clockwise walk that leaves `from` and ends on `to`: `(from, to]`, half open.
///
/// An arc is never empty. **Where `from` equals `to` it is the whole circle**, because the walk
/// leaves the point and ends when it meets it again. So neighbouring arcs share a border and no
/// point, and *n* arcs between *n* borders tile the circle, for n = 1 too.
///
/// Arcs are equal when they have the same points: all whole circles are, wherever they begin.
#[derive(Clone, Copy)]
pub struct KeyRange {
    /// The start of the walk: the border before the first point, itself outside unless the arc is
    /// the whole circle.
    pub from: Point,
    /// The end of the walk: the last point, inside.
    pub to: Point,
}

impl KeyRange {
    /// All points, walked from zero.
    pub const WHOLE: Self = Self::new(Point::ZERO, Point::ZERO);

    /// The arc `(from, to]`; the whole circle if the two are equal.
    pub const fn new(from: Point, to: Point) -> Self {
        Self { from, to }
    }

    /// Whether it has every point.
    pub fn is_whole(&self) -> bool {
        self.from == self.to
    }

    /// Whether `point` lies in it.
    pub fn contains(&self, point: Point) -> bool {
        self.walk_to(point) <= self.length()
    }

    /// The number of points, at least one.
    pub fn length(&self) -> Length {
        self.walk_to(self.to)
    }

    /// The part of the circle that it is, from 0.0 to 1.0.
    pub fn share(&self) -> f64 {
        self.length().share()
    }

    /// The points in both: none, one or two arcs, clockwise from `self.from`.
    ///
    /// Two, when they overlap at both ends:
    ///
    /// ```
    /// # use kittengrad_ring::{KeyRange, Point};
    /// # let at = |byte| Point::new([byte; 32]);
    /// let most = KeyRange::new(at(0x10), at(0xf0));
    /// let seam = KeyRange::new(at(0xe0), at(0x20));
    /// let (early, late) = (KeyRange::new(at(0x10), at(0x20)), KeyRange::new(at(0xe0), at(0xf0)));
    /// assert_eq!(most.intersect(seam), [early, late]);
    /// ```
    pub fn intersect(&self, other: Self) -> Vec<Self> {
        if other.is_whole() {
            return vec![*self];
        }
        if self.is_whole() {
            return vec![other];
        }
        // Measured along the walk from `self.from`, this arc is (0, length], and the other is one
        // stretch, or two if `self.from` lies inside it.
        let start = self.from.clockwise_to(other.from);
        let end = self.walk_to(other.to);
        let stretches: &[_] = if start < end {
            &[(start, end)]
        } else {
            &[(Length::ZERO, end), (start, Length::WHOLE)]
        };
        let length = self.length();
        stretches
            .iter()
            .map(|&(start, end)| (start, end.min(length)))
            .filter(|(start, end)| start < end)
            .map(|(start, end)| {
                Self::new(self.from.wrapping_add(start), self.from.wrapping_add(end))
            })
            .collect()
    }

    /// Whether it has every point of `other`.
    pub fn covers(&self, other: Self) -> bool {
        self.is_whole() || self.intersect(other) == [other]
    }

    /// The union, if it is one arc: the two overlap, or one begins where the other ends.
    pub fn union(&self, other: Self) -> Option<Self> {
        if self.covers(other) {
            return Some(*self);
        }
        if other.covers(*self) {
            return Some(other);
        }
        match (self.meets(other), other.meets(*self)) {
            (true, true) => Some(Self::WHOLE),
            (true, false) => Some(Self::new(self.from, other.to)),
            (false, true) => Some(Self::new(other.from, self.to)),
            (false, false) => None,
        }
    }

    /// Whether `other` begins inside of this arc or where it ends.
    fn meets(&self, other: Self) -> bool {
        self.from.clockwise_to(other.from) <= self.length()
    }

    /// The same points as one or two ranges of sorted keys, in the order of the walk; two if the
    /// arc runs on past zero.
    ///
    /// Also the whole circle is walked from `from`, and ends on that point:
    ///
    /// ```
    /// # use kittengrad_ring::{KeyRange, Point};
    /// # let (before, at) = (Point::ZERO, Point::new([0x10; 32]));
    /// let intervals = KeyRange::new(at, at).intervals();
    /// assert!(intervals[0].end() == &Point::MAX && !intervals[0].contains(&at));
    /// assert_eq!(intervals[1], before..=at);
    /// ```
    pub fn intervals(&self) -> Vec<RangeInclusive<Point>> {
        let first = self.from.wrapping_add(Length::from(1));
        if first <= self.to {
            vec![first..=self.to]
        } else {
            vec![first..=Point::MAX, Point::ZERO..=self.to]
        }
    }

    /// The length of the walk that leaves `from` and ends when it meets `point`: all round for
    /// `from` itself.
    fn walk_to(&self, point: Point) -> Length {
        if point == self.from {
            Length::WHOLE
        } else {
            self.from.clockwise_to(point)
        }
    }

    /// The value that decides equality: its ends, or nothing for the whole circle.
    fn ends(&self) -> Option<(Point, Point)> {
        (!self.is_whole()).then_some((self.from, self.to))
    }
}

impl PartialEq for KeyRange {
    fn eq(&self, other: &Self) -> bool {
        self.ends() == other.ends()
    }
}

impl Eq for KeyRange {}

impl Hash for KeyRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ends().hash(state);
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", self.from, self.to)
    }
}

impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}, {:?}]", self.from, self.to)
    }
}
