//! Any order, batching, repetition, crash and number of shards gives the same documents and digest.

use kittengrad_indexer_core::{Digest, Fetched, Input};
use kittengrad_proto::{cursor::Cursor, id::Id};
use proptest::prelude::*;

use crate::world::{Driver, Journal, arbitrary_journal, by_definition, digest_of};

/// A delivery of a stream: the block that comes, and whether the batch ends or the process dies after it.
fn arbitrary_delivery() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8), 0..60)
}

fn deliver(journal: &Journal, delivery: &[(prop::sample::Index, u8)]) -> Driver {
    let mut driver = Driver::new();
    for (index, then) in delivery {
        driver.block(&journal.blocks[index.index(journal.blocks.len())]);
        match then {
            0 | 1 => driver.cut(),
            2 => driver = driver.crash(),
            _ => {}
        }
    }
    // In the end every block came after the last crash.
    for block in journal.blocks.iter().rev() {
        driver.block(block);
    }
    driver.cut();
    driver
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_and_batching_gives_the_same_documents(
        journal in arbitrary_journal(), delivery in arbitrary_delivery()
    ) {
        let driver = deliver(&journal, &delivery);
        let expected = by_definition(&journal, false);
        prop_assert_eq!(&driver.disk.documents, &expected);
        prop_assert_eq!(driver.disk.state().digest, digest_of(expected.values()));
        let last = journal.blocks.last().map(|block| block.last.cursor());
        prop_assert_eq!(driver.disk.state().cursors.current(), last);
    }

    #[test]
    fn late_records_give_the_same_document(
        journal in arbitrary_journal(), delivery in arbitrary_delivery()
    ) {
        let mut driver = deliver(&journal, &delivery);
        driver = driver.crash();
        let mut now_ms = 0;
        while now_ms < 10_000 {
            now_ms += 500;
            for canonical in driver.feed(now_ms, Input::Tick) {
                let records = journal.withheld.get(&canonical).cloned().unwrap_or_default();
                driver.feed(now_ms, Input::Fetched(Fetched { canonical, records }));
            }
            driver.feed(now_ms, Input::Cut);
        }
        prop_assert_eq!(&driver.disk.documents, &by_definition(&journal, true));
        prop_assert_eq!(driver.disk.state().counts.absent, 0);
        prop_assert_eq!(driver.indexer.waiting_count(), 0);
        prop_assert!(driver.feed(u64::MAX, Input::Tick).is_empty(), "a lookup without an absent record");
    }

    #[test]
    fn shards_add_up_to_the_whole(journal in arbitrary_journal(), shards in 1..5_usize) {
        let mut drivers: Vec<_> = (0..shards).map(|_| Driver::new()).collect();
        for block in &journal.blocks {
            for (number, driver) in drivers.iter_mut().enumerate() {
                let mut part = block.clone();
                for transaction in &mut part.transactions {
                    transaction.added.retain(|element| element.canonical.as_bytes()[31] as usize % shards == number);
                }
                driver.block(&part);
                driver.cut();
            }
        }
        let mut digest = Digest::default();
        drivers.iter().for_each(|driver| digest.merge(&driver.disk.state().digest));
        prop_assert_eq!(digest, digest_of(by_definition(&journal, false).values()));
    }

    #[test]
    fn every_element_is_news_once(journal in arbitrary_journal(), cut_each in any::<bool>()) {
        let mut driver = Driver::new();
        for block in journal.blocks.iter().chain(&journal.blocks) {
            driver.block(block);
            if cut_each {
                driver.cut();
            }
        }
        driver.cut();
        let updates: usize = driver.disk.documents.values().map(|document| document.statements.len()).sum();
        let bare = journal.blocks.iter().flat_map(|block| &block.transactions).flat_map(|t| &t.added);
        let first_elements: std::collections::BTreeMap<_, _> =
            bare.rev().map(|element| (element.canonical, element.update)).collect();
        let bare = first_elements.values().filter(|first| first.is_none()).count();
        prop_assert_eq!(driver.news, updates + bare);
    }
}

#[test]
fn a_switch_of_journals_adds_no_duplicates() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let journal = arbitrary_journal().new_tree(&mut runner).unwrap().current();
    let mut driver = Driver::new();
    journal.blocks.iter().for_each(|block| driver.block(block));
    driver.cut();
    let (documents, news) = (driver.disk.documents.clone(), driver.news);
    let other = kittengrad_proto::id::PublicKey::new([8; 32]);
    for block in &journal.blocks {
        let mut block = block.clone();
        block.last.journal = other;
        driver.block(&block);
    }
    driver.cut();
    assert_eq!((&driver.disk.documents, driver.news), (&documents, news));
    let height = journal.blocks.last().map(|block| block.last.head.height);
    let expected = Cursor {
        journal: other,
        incarnation: 1,
        height,
    };
    assert_eq!(driver.disk.state().cursors.current(), Some(expected));
    assert_eq!(
        driver.disk.state().cursors.all().count(),
        2,
        "the journal that was left is remembered"
    );
}

#[test]
fn a_journal_read_again_adds_nothing_twice() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let journal = arbitrary_journal().new_tree(&mut runner).unwrap().current();
    let mut driver = Driver::new();
    journal.blocks.iter().for_each(|block| driver.block(block));
    driver.cut();
    let (documents, news) = (driver.disk.documents.clone(), driver.news);
    let owner = journal.blocks[0].last.journal;
    driver.feed(0, Input::Again(owner));
    driver.cut();
    assert_eq!(driver.disk.state().cursors.current(), None);
    for block in &journal.blocks {
        let mut other = block.clone();
        other.last.head.hash = Id::ZERO;
        driver.block(&other);
    }
    driver.cut();
    assert_eq!((&driver.disk.documents, driver.news), (&documents, news));
    let last = driver.disk.state().cursors.last(&owner).unwrap();
    assert_eq!(last.head.hash, Id::ZERO, "hash of the second journal");
}

use proptest::strategy::ValueTree as _;
