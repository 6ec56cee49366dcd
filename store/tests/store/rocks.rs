//! The conformance tests of every store, on the store on disk.

use kittengrad_journal::{Store, Write};
use kittengrad_store::RocksStore;
use kittengrad_support::conformance::Subject;

use tempfile::TempDir;

use crate::content::open;

struct OnDisk {
    /// `None` only while the store is reopened.
    store: Option<RocksStore>,
    directory: TempDir,
}

impl OnDisk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Some(open(directory.path()));
        Self { store, directory }
    }
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

kittengrad_support::store_conformance!(40, OnDisk::new);
