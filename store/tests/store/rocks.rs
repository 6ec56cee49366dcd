//! The store on disk does what every store must do.

use kittengrad_journal::{Store, Write};
use kittengrad_store::RocksStore;
use kittengrad_support::conformance::{self, Subject};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::content::open;

struct OnDisk {
    /// `None` only while it is opened again.
    store: Option<RocksStore>,
    directory: TempDir,
}

impl Subject for OnDisk {
    fn commit(&mut self, writes: Vec<Write>) {
        self.store.as_ref().unwrap().commit(writes).unwrap();
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(open(self.directory.path()));
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_store_on_disk_answers_as_the_model_does(steps in conformance::steps()) {
        let directory = TempDir::new().unwrap();
        let store = Some(open(directory.path()));
        conformance::check(&mut OnDisk { store, directory }, steps);
    }
}
