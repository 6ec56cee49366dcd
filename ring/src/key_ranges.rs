//! Sets of points, as lists of arcs in one canonical form.

use alloc::vec::Vec;
use core::fmt;

use crate::key_range::KeyRange;
use crate::point::Point;

/// A set of points: arcs that are disjoint, do not touch, and ascend by their beginnings.
///
/// Equal sets are equal lists. An arc that runs on past zero comes last, and the whole circle is one
/// arc, wherever it begins.
///
/// ```
/// # use kittengrad_ring::{KeyRange, KeyRanges, Point};
/// # let at = |byte| Point::new([byte; 32]);
/// let arcs = [(0x30, 0x50), (0x10, 0x20), (0x20, 0x30)].map(|(a, b)| KeyRange::new(at(a), at(b)));
/// let set = KeyRanges::from_iter(arcs);
/// assert_eq!(set.arcs(), [KeyRange::new(at(0x10), at(0x50))]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyRanges {
    arcs: Vec<KeyRange>,
}

impl KeyRanges {
    /// No points.
    pub const EMPTY: Self = Self { arcs: Vec::new() };

    /// The whole circle.
    #[must_use]
    pub fn whole() -> Self {
        KeyRange::WHOLE.into()
    }

    /// The arcs, ascending.
    pub fn arcs(&self) -> &[KeyRange] {
        &self.arcs
    }

    /// Whether it has no points.
    pub fn is_empty(&self) -> bool {
        self.arcs.is_empty()
    }

    /// Whether `point` is in it.
    pub fn contains(&self, point: Point) -> bool {
        self.arcs.iter().any(|arc| arc.contains(point))
    }

    /// Whether every point of `arc` is in it.
    pub fn covers(&self, arc: KeyRange) -> bool {
        // Arcs do not touch, so that a connected one lies in a single one of them.
        self.arcs.iter().any(|own| own.covers(arc))
    }

    /// Whether a point of `arc` is in it.
    pub fn overlaps(&self, arc: KeyRange) -> bool {
        self.arcs.iter().any(|own| !own.intersect(arc).is_empty())
    }

    /// Adds the points of an arc.
    pub fn insert(&mut self, arc: KeyRange) {
        if self.is_before(arc) {
            self.arcs.push(arc);
            return;
        }
        let mut joined = arc;
        self.arcs.retain(|own| match own.union(joined) {
            Some(union) => {
                joined = union;
                false
            }
            None => true,
        });
        let place = self.arcs.partition_point(|own| own.from < joined.from);
        self.arcs.insert(place, joined);
    }

    /// Whether all arcs end before an arc, which therefore joins none and comes last. So a set that
    /// is built in its own order costs one comparison for each arc.
    fn is_before(&self, arc: KeyRange) -> bool {
        let (Some(first), Some(last)) = (self.arcs.first(), self.arcs.last()) else {
            return true;
        };
        let ends_before_first = arc.from < arc.to || arc.to < first.from;
        last.from < last.to && last.to < arc.from && ends_before_first
    }

    /// The points in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.arcs
            .iter()
            .flat_map(|own| other.arcs.iter().flat_map(|arc| own.intersect(*arc)))
            .collect()
    }

    /// The points of this one that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// The points that are not in it: the gaps from the end of each arc to the beginning of the next.
    fn complement(&self) -> Self {
        let [first, ..] = self.arcs[..] else {
            return Self::whole();
        };
        let next = self.arcs.iter().skip(1).chain([&first]);
        let gaps = self.arcs.iter().zip(next);
        // An arc that ends where the next one begins is the whole circle: two others would be one.
        gaps.filter(|(arc, next)| arc.to != next.from)
            .map(|(arc, next)| KeyRange::new(arc.to, next.from))
            .collect()
    }
}

impl From<KeyRange> for KeyRanges {
    fn from(arc: KeyRange) -> Self {
        [arc].into_iter().collect()
    }
}

impl FromIterator<KeyRange> for KeyRanges {
    fn from_iter<I: IntoIterator<Item = KeyRange>>(arcs: I) -> Self {
        let mut set = Self::EMPTY;
        for arc in arcs {
            set.insert(arc);
        }
        set
    }
}

impl fmt::Debug for KeyRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arcs.fmt(f)
    }
}
