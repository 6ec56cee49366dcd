//! The set in memory.

use std::collections::BTreeSet;

use kittengrad_proto::{id::RecordId, transaction::Element};
use kittengrad_ring::KeyRange;

use crate::{
    memory::MemoryStore,
    store::{ElementPage, ElementStore, Locator, StoreError, walk_ranges},
};

impl MemoryStore {
    /// The whole set.
    #[must_use]
    pub fn elements(&self) -> BTreeSet<Element> {
        self.elements.keys().copied().collect()
    }

    fn of_canonical(&self, canonical: &RecordId) -> impl Iterator<Item = &Element> + '_ {
        let canonical = *canonical;
        let from = Element {
            canonical,
            update: None,
        };
        self.elements
            .range(from..)
            .map(|(element, _)| element)
            .take_while(move |e| e.canonical == canonical)
    }
}

impl ElementStore for MemoryStore {
    fn contains(&self, elements: &[Element]) -> Result<Vec<bool>, StoreError> {
        Ok(elements
            .iter()
            .map(|element| self.elements.contains_key(element))
            .collect())
    }

    fn locate(&self, element: &Element) -> Result<Option<Locator>, StoreError> {
        Ok(self.elements.get(element).copied())
    }

    fn set(&self, canonical: &RecordId) -> Result<Option<Vec<RecordId>>, StoreError> {
        if !self.exists(canonical)? {
            return Ok(None);
        }
        Ok(Some(
            self.of_canonical(canonical)
                .filter_map(|element| element.update)
                .collect(),
        ))
    }

    fn exists(&self, canonical: &RecordId) -> Result<bool, StoreError> {
        Ok(self.of_canonical(canonical).next().is_some())
    }

    fn walk(
        &self,
        arc: KeyRange,
        after: Option<&Element>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        let rows = walk_ranges(arc, after)
            .into_iter()
            .flat_map(|range| self.elements.range(range))
            .map(|(element, locator)| (*element, *locator))
            .take(ElementPage::rows_to_read(limit))
            .collect();
        Ok(ElementPage::new(rows, limit))
    }
}
