//! The store in memory does what every store must do.

use kittengrad_journal::{MemoryStore, Store, Write};
use kittengrad_support::conformance::{self, Subject};
use proptest::prelude::*;

impl Subject for MemoryStore {
    fn commit(&mut self, writes: Vec<Write>) {
        Self::commit(self, writes);
    }

    fn reopen(&mut self) {}

    fn store(&self) -> &dyn Store {
        self
    }
}

proptest! {
    #[test]
    fn a_store_in_memory_answers_as_the_model_does(steps in conformance::steps()) {
        conformance::check(&mut MemoryStore::default(), steps);
    }
}
