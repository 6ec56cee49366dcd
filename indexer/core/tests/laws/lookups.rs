//! Lookups of absent records: their times, and the requests to the store.

use std::{cell::RefCell, collections::BTreeMap};

use kittengrad_indexer_core::{
    Fetched, Indexer, Input, Output, Publishers, State, Store, StoreError, Stored, Wanted,
    limits::WAITING_MAX,
};
use kittengrad_proto::{id::RecordId, transaction::Element};

use crate::world::{Driver, TATE, block, canonical, overlay};

/// Inserts a canonical with one update, both without records, and commits at `now_ms`.
fn absent(now_ms: u64) -> (Driver, Wanted) {
    let (canonical, update) = (canonical(0).0, RecordId::of(b"update"));
    let element = Element {
        canonical,
        update: Some(update),
    };
    let mut driver = Driver::new();
    driver.block(&block(0, TATE, &[(element, Vec::new())]));
    driver.feed(now_ms, Input::Cut);
    let records = vec![canonical, update];
    (driver, Wanted { canonical, records })
}

#[test]
fn absent_records_are_looked_up_a_second_after_the_commit() {
    let (mut driver, wanted) = absent(5_000);
    for (now_ms, is_asked) in [
        (5_999, false),
        (6_000, true),
        (7_999, false),
        (8_000, true),
        (11_999, false),
        (12_000, true),
    ] {
        let found = driver.fed(now_ms, Input::Tick);
        let expected: &[Wanted] = if is_asked {
            std::slice::from_ref(&wanted)
        } else {
            &[]
        };
        assert_eq!(found, expected, "{now_ms}");
    }
}

#[test]
fn absent_records_are_looked_up_after_a_restart() {
    let (driver, wanted) = absent(0);
    let mut driver = driver.crash();
    assert_eq!(driver.indexer.waiting_count(), 0);
    assert_eq!(driver.fed(10_000, Input::Tick), []);
    assert_eq!(driver.indexer.waiting_count(), 1);
    assert_eq!(driver.fed(10_999, Input::Tick), []);
    assert_eq!(driver.fed(11_000, Input::Tick), [wanted]);
}

/// Has nothing, and notes how many canonicals were asked for.
#[derive(Default)]
struct Empty(RefCell<Vec<usize>>);

impl Store for Empty {
    fn load(&self, _: &RecordId) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    fn incomplete(&self, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        self.0.borrow_mut().push(limit);
        Ok(Vec::new())
    }
}

/// Reads nothing.
struct Broken;

impl Store for Broken {
    fn load(&self, _: &RecordId) -> Result<Option<Stored>, StoreError> {
        Err(StoreError("set".to_owned()))
    }

    fn incomplete(&self, _: usize) -> Result<Vec<RecordId>, StoreError> {
        Err(StoreError("list".to_owned()))
    }
}

fn indexer() -> Indexer {
    Indexer::resume(State::new(overlay()), Publishers::default())
}

#[test]
fn the_store_is_asked_once_for_what_fits_into_memory() {
    let (mut indexer, store) = (indexer(), Empty::default());
    for now_ms in [0, 1_000, 2_000] {
        let mut out = Output::default();
        indexer
            .handle(now_ms, Input::Tick, &store, &mut out)
            .unwrap();
        assert_eq!(out, Output::default());
    }
    assert_eq!(*store.0.borrow(), [WAITING_MAX]);
}

#[test]
fn an_unreadable_store_is_an_error_of_the_input() {
    let canonical = canonical(0).0;
    let element = Element {
        canonical,
        update: None,
    };
    let block = block(0, TATE, &[(element, Vec::new())]);
    let fetched = Fetched {
        canonical,
        records: BTreeMap::new(),
    };
    for (input, error) in [
        (Input::Block(block), "set"),
        (Input::Fetched(fetched), "set"),
        (Input::Tick, "list"),
    ] {
        let mut out = Output::default();
        let found = indexer().handle(0, input.clone(), &Broken, &mut out);
        assert_eq!(found, Err(StoreError(error.to_owned())), "{input:?}");
    }
}
