//! The limits of a lookup, and the estimated memory of an indexer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_client_core::view::{document::NAMES_MAX, fold::fold};
use kittengrad_indexer_core::{Fetched, Input, Store as _, limits::BACK_OFF_MS_MIN};
use kittengrad_proto::{id::RecordId, record::Record, transaction::Element};
use kittengrad_support::samples::named;

use crate::world::{Driver, TATE, block, canonical, update};

/// Inserts `count` canonicals with `updates` updates each, all without records.
fn absent(count: u32, updates: u32) -> Driver {
    let mut driver = Driver::new();
    let canonicals = (0..count).map(|number| RecordId::of(&number.to_be_bytes()));
    let entries = canonicals.flat_map(|canonical| {
        let update = move |number: u32| {
            RecordId::of(&[canonical.as_bytes(), &number.to_be_bytes()[..]].concat())
        };
        let updates = (0..updates).map(move |number| Some(update(number)));
        let all = updates.chain([None]);
        all.map(move |update| (Element { canonical, update }, Vec::new()))
    });
    driver.block(&block(0, TATE, &entries.collect::<Vec<_>>()));
    driver.cut();
    driver
}

#[test]
fn a_hundred_canonicals_are_looked_up_at_a_time() {
    let mut driver = absent(101, 0);
    let first = driver.feed(BACK_OFF_MS_MIN, Input::Tick);
    let rest = driver.feed(BACK_OFF_MS_MIN, Input::Tick);
    assert_eq!((first.len(), rest.len()), (100, 1));
    assert!(!first.contains(&rest[0]));
}

#[test]
fn of_one_canonical_other_records_are_looked_up_each_time() {
    let mut driver = absent(1, 149);
    let mut asked = BTreeSet::new();
    for seconds in 1..200 {
        for wanted in driver.fed(seconds * 1_007, Input::Tick) {
            assert_eq!(wanted.records.len(), 100);
            asked.extend(wanted.records);
        }
    }
    assert_eq!(asked.len(), 150, "the canonical and its updates");
}

#[test]
fn a_thousand_records_are_looked_up_at_a_time() {
    let mut driver = absent(30, 39);
    let wanted = driver.fed(BACK_OFF_MS_MIN, Input::Tick);
    let records = wanted.iter().map(|wanted| wanted.records.len());
    assert_eq!(records.sum::<usize>(), 1_000);
    assert!(wanted.iter().all(|wanted| !wanted.records.is_empty()));
}

#[test]
fn an_answer_about_what_no_journal_named_is_no_document() {
    let (canonical, record) = canonical(0);
    let mut driver = Driver::new();
    let records = BTreeMap::from([(canonical, record)]);
    driver.feed(0, Input::Fetched(Fetched { canonical, records }));
    assert_eq!(driver.indexer.pending_bytes(), 0);
    driver.cut();
    assert!(driver.disk.documents.is_empty());
}

#[test]
fn what_was_fetched_and_what_was_loaded_weighs() {
    let (of, record) = canonical(0);
    let named_update = named(&Record::Update(update(of, TATE, 1, "Snow Storm", &[])));
    let element = Element {
        canonical: of,
        update: Some(named_update.0),
    };
    let mut driver = Driver::new();
    driver.block(&block(0, TATE, &[(element, Vec::new())]));
    driver.cut();
    assert_eq!(driver.indexer.pending_weight_bytes(), 0);

    let length = named_update.1.len();
    let records = BTreeMap::from([named_update]);
    driver.feed(
        0,
        Input::Fetched(Fetched {
            canonical: of,
            records,
        }),
    );
    assert_eq!(driver.indexer.pending_bytes(), length);
    driver.cut();
    assert_eq!(driver.indexer.pending_bytes(), 0);
    let stored = driver.disk.load(&of).unwrap().unwrap().set.weight_bytes();

    // A pending set keeps its stored records in memory, besides those of the block.
    let again = Element {
        canonical: of,
        update: None,
    };
    driver.block(&block(1, TATE, &[(again, vec![(of, record.clone())])]));
    assert_eq!(driver.indexer.pending_bytes(), record.len());
    let weight = driver.indexer.pending_weight_bytes();
    assert_eq!(weight, stored + record.len());
}

#[test]
fn new_elements_and_their_records_are_counted() {
    let (of, record) = canonical(0);
    let (id, bytes) = named(&Record::Update(update(of, TATE, 1, "Snow Storm", &[])));
    let element = |update| Element {
        canonical: of,
        update,
    };
    let mut driver = Driver::new();
    driver.block(&block(0, TATE, &[(element(None), Vec::new())]));
    let each = driver.indexer.pending_bytes();
    assert!(each > 0);
    let absent = element(Some(RecordId::of(b"absent")));
    driver.block(&block(1, TATE, &[(absent, Vec::new())]));
    assert_eq!(driver.indexer.pending_bytes(), 2 * each);
    let expected = 3 * each + record.len() + bytes.len();
    let records = vec![(of, record), (id, bytes)];
    for height in [2, 3] {
        let said = element(Some(id));
        driver.block(&block(height, TATE, &[(said, records.clone())]));
        assert_eq!(driver.indexer.pending_bytes(), expected, "{height}");
    }
}

/// Folds updates with these names, the newest last; returns the names of the document.
fn names(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let (of, record) = canonical(0);
    let updates = (1..).zip(names).map(|(time, name)| {
        let (id, bytes) = named(&Record::Update(update(of, TATE, time, &name, &[])));
        (id, Some(bytes))
    });
    let set: BTreeMap<RecordId, Option<Bytes>> = updates.collect();
    let document = fold(of, Some(&record), &set);
    document.names().map(str::to_owned).collect()
}

#[test]
fn a_document_has_a_thousand_names_at_most() {
    let numbered = |number: usize| format!("Name {number}");
    let found = names((0..=NAMES_MAX).map(numbered));
    assert_eq!(found.len(), NAMES_MAX);
    assert_eq!(found[0], numbered(NAMES_MAX), "the newest are kept");
}

#[test]
fn a_name_of_blanks_is_none() {
    let found = names([" ", "Snow Storm", "\u{a0}\t"].map(str::to_owned));
    assert_eq!(found, ["Snow Storm"]);
}
