//! The promises of every store, checked against the simplest model: the list of all writes so far.
//!
//! [`store_conformance!`](crate::store_conformance) makes one test of each promise:
//!
//! ```text
//! kittengrad_support::store_conformance!(256, MemoryStore::default);
//! ```

mod answers;
mod model;
mod names;
mod removing;
mod walking;

use kittengrad_journal::{MemoryStore, Store, Write};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

pub use answers::answers_as_the_model_does;
pub use removing::{a_removed_row_is_gone, the_last_write_of_a_commit_counts};
pub use walking::{
    a_dropped_arc_leaves_the_rest, a_walk_goes_on_after_commits, a_walk_goes_round_the_ring,
};

/// A store under test.
pub trait Subject {
    /// Commits all writes.
    fn commit(&mut self, writes: Vec<Write>);
    /// Closes the store and opens it again; does nothing for a store in memory.
    fn reopen(&mut self);
    /// The store to ask.
    fn store(&self) -> &dyn Store;
}

impl Subject for MemoryStore {
    fn commit(&mut self, writes: Vec<Write>) {
        Self::commit(self, writes);
    }

    fn reopen(&mut self) {}

    fn store(&self) -> &dyn Store {
        self
    }
}

/// Makes the tests of a store in a module `conformance`. A test of random commits runs `$cases` times. Each case starts
/// with an empty [`Subject`](crate::conformance::Subject) from `$make`.
#[macro_export]
macro_rules! store_conformance {
    ($cases:expr, $make:expr) => {
        mod conformance {
            use super::*;

            #[test]
            fn a_store_answers_as_the_model_does() {
                $crate::conformance::answers_as_the_model_does($cases, $make);
            }

            #[test]
            fn a_removed_row_is_gone() {
                $crate::conformance::a_removed_row_is_gone($make);
            }

            #[test]
            fn the_last_write_of_a_commit_counts() {
                $crate::conformance::the_last_write_of_a_commit_counts($make);
            }

            #[test]
            fn a_walk_goes_round_the_ring() {
                $crate::conformance::a_walk_goes_round_the_ring($make);
            }

            #[test]
            fn a_walk_goes_on_after_commits() {
                $crate::conformance::a_walk_goes_on_after_commits($cases, $make);
            }

            #[test]
            fn a_dropped_arc_leaves_the_rest() {
                $crate::conformance::a_dropped_arc_leaves_the_rest($make);
            }
        }
    };
}

/// Checks random values of a strategy, and shrinks the first one that fails.
fn run<S: Strategy>(cases: u32, values: &S, check: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(values, |value| {
        check(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
