//! The content of a commit: documents, names of publishers, news and cursors.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_indexer_core::{Commit, Fetched, Input, News, PublisherName};
use kittengrad_proto::{
    cursor::Cursor,
    id::{PublicKey, RecordId},
    record::Record,
    transaction::Element,
};
use kittengrad_support::samples::named;

use crate::world::{CMOA, Driver, TATE, block, canonical, update};

const fn bare(canonical: RecordId) -> Element {
    Element {
        canonical,
        update: None,
    }
}

const fn said(canonical: RecordId, update: RecordId) -> Element {
    Element {
        canonical,
        update: Some(update),
    }
}

fn commit(driver: &mut Driver) -> Option<Commit> {
    driver.handle(0, Input::Cut).commit
}

/// Canonicals of the documents in a commit.
fn changed(commit: &Commit) -> Vec<RecordId> {
    let changed = commit.changed.iter();
    changed.map(|one| one.document.canonical).collect()
}

#[test]
fn new_elements_are_news_in_the_order_of_the_journal() {
    let [of, other] = [canonical(0), canonical(1)].map(|(of, _)| of);
    let update = RecordId::of(b"update");
    let mut driver = Driver::new();
    driver.block(&block(3, TATE, &[(said(of, update), Vec::new())]));
    let mut second = block(
        4,
        CMOA,
        &[(bare(of), Vec::new()), (bare(other), Vec::new())],
    );
    second.last.time_ms = 70;
    driver.block(&second);
    let news = |canonical, update, publisher, height, time_ms| News {
        canonical,
        update,
        publisher,
        cursor: Cursor {
            journal: PublicKey::new([9; 32]),
            incarnation: 1,
            height: Some(height),
        },
        time_ms,
    };
    let expected = [
        news(of, Some(update), TATE, 3, 3),
        news(other, None, CMOA, 4, 70),
    ];
    assert_eq!(commit(&mut driver).unwrap().news, expected);
}

/// Commits a block with a transaction of this time and name; returns the names in the commit.
fn names(
    driver: &mut Driver,
    height: u64,
    (publisher, name): (PublicKey, Option<&str>),
    created_ms: u64,
) -> Vec<(PublicKey, u64, String)> {
    let mut block = block(height, publisher, &[]);
    block.transactions[0].publisher_name = name.map(str::to_owned);
    block.transactions[0].created_ms = created_ms;
    driver.block(&block);
    let publishers = commit(driver).unwrap().publishers.into_iter();
    let found = publishers.map(|(key, PublisherName { created_ms, name })| (key, created_ms, name));
    found.collect()
}

#[test]
fn a_commit_has_the_names_that_it_changed() {
    let (tate, cmoa) = ((TATE, Some("Tate")), (CMOA, Some("CMOA")));
    let mut driver = Driver::new();
    let found = names(&mut driver, 1, tate, 5);
    assert_eq!(found, [(TATE, 5, "Tate".to_owned())]);
    let found = names(&mut driver, 2, cmoa, 7);
    assert_eq!(found, [(CMOA, 7, "CMOA".to_owned())]);
    assert_eq!(names(&mut driver, 3, (TATE, None), 8), []);
    let found = names(&mut driver, 4, tate, 9);
    assert_eq!(found, [(TATE, 9, "Tate".to_owned())], "the newer time");
    assert_eq!(names(&mut driver, 5, (TATE, Some("Old")), 8), []);

    let mut driver = driver.crash();
    assert_eq!(names(&mut driver, 6, (TATE, Some("Old")), 8), []);
    let known = driver.indexer.publishers().iter();
    let known: Vec<_> = known.map(|(_, known)| known.name.as_str()).collect();
    assert_eq!(known, ["Tate", "CMOA"]);
}

#[test]
fn a_block_without_elements_moves_the_cursor() {
    let mut empty = block(7, TATE, &[]);
    empty.transactions.clear();
    let mut driver = Driver::new();
    driver.block(&empty);
    assert!(driver.indexer.has_pending());
    let found = commit(&mut driver).unwrap();
    assert_eq!((changed(&found), &found.news), (Vec::new(), &Vec::new()));
    let last = found.state.cursors.last(&empty.last.journal);
    assert_eq!(last, Some(empty.last));
    assert_eq!(&found.state, driver.indexer.state());

    // Nothing is left, and the same block moves nothing.
    assert_eq!(commit(&mut driver), None);
    driver.block(&empty);
    assert!(!driver.indexer.has_pending());
    assert_eq!(commit(&mut driver), None);
}

#[test]
fn a_journal_without_a_cursor_is_read_again_without_a_commit() {
    let mut driver = Driver::new();
    driver.block(&block(7, TATE, &[]));
    commit(&mut driver).unwrap();
    driver.feed(0, Input::Again(PublicKey::new([8; 32])));
    assert!(!driver.indexer.has_pending());
}

#[test]
fn a_known_element_with_its_record_changes_the_document() {
    let (of, record) = canonical(0);
    let own = (of, record);
    let said_so = named(&Record::Update(update(of, TATE, 1, "Said", &[])));
    let element = said(of, said_so.0);
    let mut driver = Driver::new();
    let mut absent_after = |height, records: &[(RecordId, Bytes)]| {
        driver.block(&block(height, TATE, &[(element, records.to_vec())]));
        let found = commit(&mut driver).unwrap();
        let absent = found.state.counts.absent;
        (absent, found.changed.len(), found.news.len())
    };
    assert_eq!(absent_after(0, &[]), (2, 1, 1));
    assert_eq!(absent_after(1, std::slice::from_ref(&said_so)), (1, 1, 0));
    assert_eq!(absent_after(2, std::slice::from_ref(&own)), (0, 1, 0));
    assert_eq!(absent_after(3, &[own, said_so]), (0, 0, 0));
    let document = &driver.disk.documents[&of];
    assert_eq!(document.names().collect::<Vec<_>>(), ["Said"]);
    assert_eq!(document.identifier(), Some("test:0"));
}

#[test]
fn sets_that_did_not_change_are_not_committed() {
    let [(first, record), (second, _)] = [0, 1].map(canonical);
    let mut driver = Driver::new();
    driver.block(&block(0, TATE, &[(bare(first), vec![(first, record)])]));
    commit(&mut driver).unwrap();
    let answer = Input::Fetched(Fetched {
        canonical: first,
        records: BTreeMap::new(),
    });
    driver.feed(0, answer.clone());
    assert!(driver.indexer.pending_weight_bytes() > 0);
    assert_eq!(commit(&mut driver), None);
    assert_eq!(driver.indexer.pending_weight_bytes(), 0, "it is let go");

    driver.feed(0, answer);
    driver.block(&block(1, TATE, &[(bare(second), Vec::new())]));
    assert_eq!(changed(&commit(&mut driver).unwrap()), [second]);
}
