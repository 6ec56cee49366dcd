//! Everything that a store has, for whoever looks at one that nobody uses.

use std::collections::BTreeSet;

use kittengrad_journal::StoreError;
use kittengrad_proto::transaction::Element;
use rocksdb::ReadOptions;

use crate::{family::Family, rows, store::RocksStore};

impl RocksStore {
    /// The whole set, in memory: for tests and for small stores.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn elements(&self) -> Result<BTreeSet<Element>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        let family = self.family(Family::Elements)?;
        let mut rows = self.db.raw_iterator_cf_opt(family, options);
        rows.seek_to_first();
        let mut elements = BTreeSet::new();
        while let Some(key) = rows.key() {
            let element = rows::element_of_key(key);
            let element = element.map_err(|e| self.damaged(Family::Elements, &e))?;
            elements.insert(element);
            rows.next();
        }
        rows.status().map_err(|e| self.failed(e))?;
        Ok(elements)
    }
}
