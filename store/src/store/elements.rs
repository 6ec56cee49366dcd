//! Reads and writes the rows of elements: the set.

use std::{collections::BTreeSet, ops::Bound};

use kittengrad_journal::{ElementPage, ElementStore, Locator, StoreError, walk_ranges};
use kittengrad_proto::{id::RecordId, transaction::Element};
use kittengrad_ring::KeyRange;

use crate::{
    family::Family,
    rows::{self, ElementKey},
    store::{RocksStore, batch::Batch},
};

impl ElementStore for RocksStore {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        let keys: Vec<_> = elements.iter().map(ElementKey::new).collect();
        let found = self.get_many(
            Family::Elements,
            keys.iter().map(AsRef::as_ref),
            elements.is_sorted(),
        )?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        let found = self.get(Family::Elements, ElementKey::new(element).as_ref())?;
        found.map(|value| self.locator_of(&value)).transpose()
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        self.set_page(canonical, None, usize::MAX)
    }

    fn set_page(
        &self,
        canonical: &RecordId,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Option<Vec<RecordId>>, StoreError> {
        let mut rows = self.scan(Family::Elements, canonical.as_bytes())?;
        let is_there = rows.valid();
        if let Some(after) = after.filter(|_| is_there) {
            let (canonical, update) = (*canonical, Some(*after));
            rows.seek(ElementKey::new(&Element { canonical, update }));
        }
        let mut updates = Vec::new();
        while let Some(key) = rows.key().filter(|_| updates.len() < limit) {
            let update = rows::update_of_key(key);
            let update = update.map_err(|e| self.damaged(Family::Elements, &e))?;
            updates.extend(update.filter(|update| after != Some(update)));
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(is_there.then_some(updates))
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        let rows = self.scan(Family::Elements, canonical.as_bytes())?;
        rows.status().map_err(|e| self.failed(e))?;
        Ok(rows.valid())
    }

    fn walk(
        &self,
        arc: KeyRange,
        after: Option<&Element>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        let rows_max = ElementPage::rows_to_read(limit);
        let mut found = Vec::new();
        for range in walk_ranges(arc, after) {
            if found.len() < rows_max {
                self.read_range(range, rows_max, &mut found)?;
            }
        }
        Ok(ElementPage::new(found, limit))
    }
}

impl RocksStore {
    /// Reads the whole set into memory. For tests and for small stores.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn elements(&self) -> Result<BTreeSet<Element>, StoreError> {
        let mut found = Vec::new();
        self.read_range((Bound::Unbounded, Bound::Unbounded), usize::MAX, &mut found)?;
        Ok(found.into_iter().map(|(element, _)| element).collect())
    }

    /// Appends the rows of a range to `found`, until it has `rows_max`.
    fn read_range(
        &self,
        (from, to): (Bound<Element>, Bound<Element>),
        rows_max: usize,
        found: &mut Vec<(Element, Locator)>,
    ) -> Result<(), StoreError> {
        let key = |bound| match bound {
            Bound::Included(element) | Bound::Excluded(element) => Some(ElementKey::new(&element)),
            Bound::Unbounded => None,
        };
        let (first, end) = (key(from), key(to));
        let first = first.as_ref().map_or(&[][..], AsRef::as_ref);
        let end = end.as_ref().map(AsRef::as_ref);
        let mut rows = self.scan_range(Family::Elements, first, end)?;
        while found.len() < rows_max {
            let Some((key, value)) = rows.item() else {
                break;
            };
            let element = rows::element_of_key(key);
            let element = element.map_err(|e| self.damaged(Family::Elements, &e))?;
            // The seek stops at an excluded bound too.
            if from != Bound::Excluded(element) {
                found.push((element, self.locator_of(value)?));
            }
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))
    }

    fn locator_of(&self, value: &[u8]) -> Result<Locator, StoreError> {
        rows::locator(value).map_err(|e| self.damaged(Family::Elements, &e))
    }
}

impl Batch<'_> {
    pub(super) fn put_element(&mut self, element: &Element, locator: &Locator) {
        let key = ElementKey::new(element);
        self.put(
            Family::Elements,
            key.as_ref(),
            &rows::locator_value(locator),
        );
    }
}
