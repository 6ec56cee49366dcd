//! The family of elements: the set, each element with the journal item that added it.

use std::ops::Bound;

use kittengrad_proto::{id::RecordId, transaction::Element};
use kittengrad_ring::{KeyRange, Length, Point};

use crate::store::StoreError;

/// The item of the owner's journal that added an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator {
    /// The incarnation.
    pub incarnation: u64,
    /// Height of the block.
    pub height: u64,
    /// Number of the item in the block.
    pub index: u32,
}

/// One page of a walk over an arc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElementPage {
    /// The elements, in the order of the walk, each with its place in the journal.
    pub rows: Vec<(Element, Locator)>,
    /// The last of these elements, after which the walk continues. `None` if the walk is over.
    pub resume: Option<Element>,
}

impl ElementPage {
    /// The number of rows that a store reads for a page of `limit`: one more, to see whether the walk is over.
    #[must_use]
    pub const fn rows_to_read(limit: usize) -> usize {
        if limit == 0 {
            2 // A limit of 0 counts as 1: a walk of empty pages would never end.
        } else {
            limit.saturating_add(1)
        }
    }

    /// Makes a page of at most `limit` rows. The store read [`Self::rows_to_read`] `rows`, or fewer at the end of the
    /// arc.
    #[must_use]
    pub fn new(mut rows: Vec<(Element, Locator)>, limit: usize) -> Self {
        let is_end = rows.len() < Self::rows_to_read(limit);
        if !is_end {
            rows.pop();
        }
        let last = rows.last().map(|(element, _)| *element);
        Self {
            rows,
            resume: last.filter(|_| !is_end),
        }
    }
}

/// The set that a journal's owner keeps.
pub trait ElementStore {
    /// For each element, whether the set has it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError>;

    /// The item that added an element.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError>;

    /// The updates of a canonical, ascending. `None` if no element names it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError>;

    /// The first `limit` updates of a canonical after the update `after`, or from the beginning, ascending. `None` if
    /// no element names it.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn set_page(
        &self,
        canonical: &RecordId,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Option<Vec<RecordId>>, StoreError> {
        let page = |updates: Vec<RecordId>| {
            let updates = updates.into_iter();
            let rest = updates.skip_while(|update| after.is_some_and(|after| update <= after));
            rest.take(limit).collect()
        };
        Ok(self.set(canonical)?.map(page))
    }

    /// Whether any element names this canonical.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError>;

    /// Reads one page of a walk over the elements whose canonical lies in `arc`: the first `limit` (0 counts as 1) from
    /// the beginning of the arc, or after the element `after`.
    ///
    /// The order is that of the ring: clockwise by canonical from `arc.from` to `arc.to`, and ascending by update
    /// within a canonical, a bare insert first. Pass [`ElementPage::resume`] as `after`, with the same arc, until it is
    /// `None`.
    ///
    /// Commits between two pages do no harm. An element that exists during the whole walk is met exactly once. An
    /// element that is written or removed during the walk is met once or not at all. `after` itself may have been
    /// removed, for example by a walk that drops the arc. No element follows an `after` outside the arc.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn walk(
        &self,
        arc: KeyRange,
        after: Option<&Element>,
        limit: usize,
    ) -> Result<ElementPage, StoreError>;
}

/// Splits the rest of a walk over `arc`, after the element `after`, into ranges of sorted elements, in the order of the
/// walk. For implementations of [`ElementStore::walk`]. Each range begins at a bare insert or after `after`, and ends
/// before a bare insert or at the last element.
#[must_use]
pub fn walk_ranges(
    arc: KeyRange,
    after: Option<&Element>,
) -> Vec<(Bound<Element>, Bound<Element>)> {
    let mut ranges = Vec::new();
    let mut is_sought = after.is_some();
    for interval in arc.intervals() {
        let mut from = Bound::Included(bare(*interval.start()));
        if let Some(after) = after.filter(|_| is_sought) {
            if !interval.contains(&after.canonical.point()) {
                continue;
            }
            (from, is_sought) = (Bound::Excluded(*after), false);
        }
        let to = match *interval.end() {
            Point::MAX => Bound::Unbounded,
            end => Bound::Excluded(bare(end.wrapping_add(Length::from(1)))),
        };
        ranges.push((from, to));
    }
    ranges
}

/// The first element in sort order of the canonical at this point.
const fn bare(point: Point) -> Element {
    Element {
        canonical: RecordId::new(*point.as_bytes()),
        update: None,
    }
}
