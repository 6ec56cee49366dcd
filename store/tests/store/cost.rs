//! Costs: the reads for every update cost the same on a canonical with many updates as on one with few.

use kittengrad_journal::{BlockStore, ElementStore, Locator, Write};
use kittengrad_proto::{id::RecordId, transaction::Element};
use kittengrad_ring::KeyRange;
use kittengrad_store::RocksStore;
use kittengrad_support::journals::{record, stored_block};
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use tempfile::TempDir;

use crate::content::open;

fn element(canonical: u64, update: u64) -> Element {
    let update = RecordId::of(&[canonical.to_be_bytes(), update.to_be_bytes()].concat());
    Element {
        canonical: RecordId::of(&canonical.to_be_bytes()),
        update: Some(update),
    }
}

fn commit_elements(store: &RocksStore, elements: impl Iterator<Item = Element>) {
    let at = Locator {
        incarnation: 7,
        height: 1,
        index: 0,
    };
    store
        .commit(
            elements
                .map(|element| Write::Element(element, at))
                .collect(),
        )
        .unwrap();
}

/// Keys that RocksDB compares or skips during `ask`.
fn effort(ask: impl FnOnce()) -> u64 {
    let mut context = PerfContext::default();
    set_perf_stats(PerfStatsLevel::EnableCount);
    context.reset();
    ask();
    let metrics = [
        PerfMetric::UserKeyComparisonCount,
        PerfMetric::InternalKeySkippedCount,
    ];
    let effort = metrics.map(|metric| context.metric(metric)).iter().sum();
    set_perf_stats(PerfStatsLevel::Disable);
    effort
}

/// Keeps S9.
#[test]
fn writing_to_a_canonical_costs_the_same_with_many_updates() {
    const MANY: u64 = 50_000;
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    for first in (0..MANY).step_by(5_000) {
        commit_elements(
            &store,
            (first..first + 5_000).map(|update| element(1, update)),
        );
    }
    commit_elements(&store, (0..10).map(|update| element(2, update)));
    for (canonical, updates) in [(1, MANY), (2, 10)] {
        let set = store
            .set(&element(canonical, 0).canonical)
            .unwrap()
            .unwrap();
        assert_eq!(set.len() as u64, updates);
        let new = element(canonical, updates);
        let exists = effort(|| assert!(store.exists(&new.canonical).unwrap()));
        let contains = effort(|| assert_eq!(store.contains(&[new]), Ok(vec![false])));
        // Enough for a binary search in a few tables of so many keys.
        assert!(
            exists < 300 && contains < 300,
            "{updates} updates: {exists} and {contains}"
        );
    }
    let absent = effort(|| assert!(!store.exists(&element(3, 0).canonical).unwrap()));
    assert!(absent < 300, "{absent}");
}

#[test]
fn a_page_of_a_walk_costs_what_it_has() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    commit_elements(&store, (0..20_000).map(|n| element(n, 0)));
    let mut after = None;
    for _ in 0..4 {
        let page = effort(|| {
            let page = store.walk(KeyRange::WHOLE, after.as_ref(), 10).unwrap();
            assert_eq!(page.rows.len(), 10);
        });
        assert!(page < 1_000, "{page} for 10 rows after {after:?}");
        let far = store.walk(KeyRange::WHOLE, after.as_ref(), 4_900);
        after = far.unwrap().resume;
    }
}

#[test]
fn finding_the_incarnations_does_not_walk_over_their_blocks() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let incarnations = [3, 1_795_000_000_000, u64::MAX];
    for incarnation in incarnations {
        let blocks =
            (0..5_000).map(|height| stored_block(incarnation, height, vec![record(height, 40)], 0));
        store
            .commit(
                blocks
                    .map(|stored| Write::Block(Box::new(stored)))
                    .collect(),
            )
            .unwrap();
    }
    let effort = effort(|| {
        let found = store.incarnations().unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|header| (header.incarnation, header.height))
            .collect();
        assert_eq!(found, incarnations.map(|incarnation| (incarnation, 4_999)));
    });
    assert!(effort < 1_000, "{effort}");
}
