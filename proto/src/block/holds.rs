//! Holds: the arcs that a journal's owner holds, and the check of an item against them.

use std::{fmt, sync::Arc};

use kittengrad_ring::{KeyRange, KeyRanges, Point};
use thiserror::Error;

use super::{
    bitmap::Bitmap,
    cells::{Cells, CellsError},
};
use crate::{
    limits::HOLD_ARCS_MAX,
    transaction::{Element, Transaction},
};

/// Why arcs are not a list of held arcs. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoldsError {
    /// More arcs than a `hold` may have.
    #[error("hold has {0} arcs, at most {HOLD_ARCS_MAX} are allowed")]
    TooMany(usize),
    /// The arcs do not ascend, or two of them overlap.
    #[error("the arcs of a hold do not ascend, or overlap")]
    Order,
}

/// All arcs that a journal's owner holds, cut at the borders of cells.
///
/// The arcs ascend by their beginnings and do not overlap. Neighbouring arcs are not merged: each is the cell of one
/// member. An arc that runs on past zero comes last. The whole circle stands alone. A clone shares the arcs.
#[derive(Clone, PartialEq, Eq)]
pub struct Holds(Arc<[KeyRange]>);

impl Holds {
    /// Takes arcs in canonical order. Without an arc, the owner holds nothing.
    ///
    /// # Errors
    /// For too many arcs, and for arcs that do not ascend or that overlap.
    pub fn new(arcs: Vec<KeyRange>) -> Result<Self, HoldsError> {
        if arcs.len() > HOLD_ARCS_MAX {
            return Err(HoldsError::TooMany(arcs.len()));
        }
        if !is_ordered(&arcs) {
            return Err(HoldsError::Order);
        }
        Ok(Self(arcs.into()))
    }

    /// The whole circle as one arc, as an aggregator holds it.
    #[must_use]
    pub fn whole() -> Self {
        KeyRange::WHOLE.into()
    }

    /// The arcs, ascending.
    #[must_use]
    pub fn arcs(&self) -> &[KeyRange] {
        &self.0
    }

    /// The held points, without the borders of cells.
    #[must_use]
    pub fn ranges(&self) -> KeyRanges {
        self.0.iter().copied().collect()
    }

    /// Whether a point is held.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        self.arc_of(point).is_some()
    }

    /// The number of the arc in which a point lies; `None` outside of all.
    #[must_use]
    pub fn arc_of(&self, point: Point) -> Option<usize> {
        let last = self.0.len().checked_sub(1)?;
        let begun = self.0.partition_point(|arc| arc.from < point);
        // Before the first beginning, only an arc that runs on past zero has the point. It comes last.
        let arc = begun.checked_sub(1).unwrap_or(last);
        self.0[arc].contains(point).then_some(arc)
    }

    /// The cells of an item that adds these elements. Elements outside the arcs count for none.
    pub fn cells<'a>(&self, added: impl IntoIterator<Item = &'a Element>) -> Cells {
        let mut touched = vec![false; self.0.len()];
        for element in added {
            if let Some(arc) = self.arc_of(element.canonical.point()) {
                touched[arc] = true;
            }
        }
        Cells::new(touched)
    }

    /// Checks an item against its transaction: the bitmap fits it, every added element lies in an arc of these, and the
    /// bits of `cells` are set exactly for the arcs with an added element.
    ///
    /// # Errors
    /// The first rule that the item breaks.
    pub fn check(
        &self,
        transaction: &Transaction,
        added: &Bitmap,
        cells: &Cells,
    ) -> Result<(), CellsError> {
        added.check(transaction.elements().count())?;
        cells.check(self.0.len())?;
        let elements = transaction.elements().enumerate();
        let elements = elements.filter(|(number, _)| added.is_set(*number));
        let elements: Vec<_> = elements.map(|(_, element)| element).collect();
        let is_unheld = |element: &&Element| !self.contains(element.canonical.point());
        if let Some(element) = elements.iter().find(is_unheld) {
            return Err(CellsError::Unheld(element.canonical));
        }
        let right = self.cells(&elements);
        match (0..self.0.len()).find(|arc| right.is_set(*arc) != cells.is_set(*arc)) {
            Some(arc) if right.is_set(arc) => Err(CellsError::Hidden(arc)),
            Some(arc) => Err(CellsError::Claimed(arc)),
            None => Ok(()),
        }
    }
}

/// Nothing is held.
impl Default for Holds {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

/// One arc, as the only one.
impl From<KeyRange> for Holds {
    fn from(arc: KeyRange) -> Self {
        Self(Arc::new([arc]))
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether arcs ascend without an overlap. Only the last one may run on past zero, up to the beginning of the first.
fn is_ordered(arcs: &[KeyRange]) -> bool {
    let [first, .., last] = arcs else {
        return true;
    };
    let mut pairs = arcs.windows(2);
    pairs.all(|pair| pair[0].from < pair[0].to && pair[0].to <= pair[1].from)
        && (last.from < last.to || last.to <= first.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RecordId;

    fn arc(from: u8, to: u8) -> KeyRange {
        KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
    }

    fn holds(arcs: &[(u8, u8)]) -> Result<Holds, HoldsError> {
        Holds::new(arcs.iter().map(|(from, to)| arc(*from, *to)).collect())
    }

    #[test]
    fn arcs_ascend_and_do_not_overlap() {
        for arcs in [
            &[][..],
            &[(1, 5)],
            &[(7, 7)],
            &[(9, 1)],
            &[(1, 5), (5, 9)],
            &[(1, 5), (6, 9), (9, 1)],
            &[(3, 5), (9, 0)],
        ] {
            assert!(holds(arcs).is_ok(), "{arcs:?}");
        }
        for arcs in [
            &[(5, 9), (1, 5)][..],
            &[(1, 5), (4, 9)],
            &[(1, 5), (1, 5)],
            &[(9, 1), (1, 5)],
            &[(1, 5), (5, 2)],
            &[(1, 1), (1, 1)],
            &[(1, 5), (7, 7)],
        ] {
            assert_eq!(holds(arcs), Err(HoldsError::Order), "{arcs:?}");
        }
    }

    #[test]
    fn arcs_are_limited_in_number() {
        let arcs = |count: usize| {
            let border = |number: usize| {
                let mut border = [0; 32];
                border[..8].copy_from_slice(&(number as u64).to_be_bytes());
                Point::new(border)
            };
            let arcs = (0..count).map(|number| KeyRange::new(border(number), border(number + 1)));
            Holds::new(arcs.collect())
        };
        assert!(arcs(HOLD_ARCS_MAX).is_ok());
        let beyond = HOLD_ARCS_MAX + 1;
        assert_eq!(arcs(beyond), Err(HoldsError::TooMany(beyond)));
    }

    #[test]
    fn a_point_lies_in_at_most_one_arc() {
        let holds = holds(&[(2, 5), (5, 8), (0x30, 1)]).unwrap();
        let mut just_after = [5; 32];
        just_after[31] = 6;
        for (point, expected) in [
            ([0; 32], Some(2)),
            ([1; 32], Some(2)),
            ([2; 32], None),
            ([5; 32], Some(0)),
            (just_after, Some(1)),
            ([8; 32], Some(1)),
            ([0x30; 32], None),
            ([0xff; 32], Some(2)),
        ] {
            assert_eq!(holds.arc_of(Point::new(point)), expected, "{point:?}");
        }
        assert_eq!(Holds::default().arc_of(Point::ZERO), None);
        assert_eq!(Holds::whole().arc_of(Point::MAX), Some(0));
        assert_eq!(Holds::whole().arc_of(Point::ZERO), Some(0));
    }

    #[test]
    fn cells_name_the_arcs_with_an_element() {
        let holds = holds(&[(0, 4), (4, 8), (8, 0)]).unwrap();
        let element = |canonical| Element {
            canonical: RecordId::new([canonical; 32]),
            update: None,
        };
        let added = [element(9), element(2), element(3)];
        assert_eq!(holds.cells(&added), Cells::new([true, false, true]));
        assert_eq!(holds.cells(&[]).count(), 0);
    }
}
