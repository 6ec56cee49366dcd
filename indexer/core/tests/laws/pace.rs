//! The times of commits and ticks.

use bytes::Bytes;
use kittengrad_indexer_core::{
    Indexer, Input, Output, Publishers, Set, State, Store, StoreError, Stored,
    pace::{Pace, TICK_MS},
};
use kittengrad_proto::{
    id::{Id, RecordId},
    transaction::Element,
};

use crate::world::{TATE, block, canonical, overlay};

/// Bytes of new records that make a commit due, and bytes of memory.
const BYTES: usize = 16 * 1024 * 1024;
const WEIGHT_BYTES: usize = 256 * 1024 * 1024;

/// A store in which every canonical has this set.
struct Only(Option<Set>);

impl Store for Only {
    fn load(&self, _: &RecordId) -> Result<Option<Stored>, StoreError> {
        let hash = Id::ZERO;
        Ok(self.0.clone().map(|set| Stored { set, hash }))
    }

    fn incomplete(&self, _: usize) -> Result<Vec<RecordId>, StoreError> {
        Ok(Vec::new())
    }
}

fn idle() -> Indexer {
    Indexer::resume(State::new(overlay()), Publishers::default())
}

/// Processes a block that inserts a canonical with this record.
fn take(indexer: &mut Indexer, height: u64, record: Option<Bytes>, store: &Only) {
    let canonical = canonical(0).0;
    let element = Element {
        canonical,
        update: None,
    };
    let records = record.map(|record| (canonical, record));
    let block = block(height, TATE, &[(element, records.into_iter().collect())]);
    let input = Input::Block(block);
    let mut out = Output::default();
    indexer.handle(0, input, store, &mut out).unwrap();
}

/// An indexer with something to commit.
fn busy() -> Indexer {
    let mut indexer = idle();
    take(&mut indexer, 0, None, &Only(None));
    indexer
}

#[test]
fn a_commit_waits_two_seconds_for_an_empty_queue() {
    let pace = Pace::new(1_000);
    for (now_ms, is_queue_empty, expected) in [
        (999, true, false),
        (1_000, true, true),
        (1_000, false, false),
        (2_999, false, false),
        (3_000, false, true),
    ] {
        let found = pace.should_cut(now_ms, &busy(), is_queue_empty);
        assert_eq!(found, expected, "{now_ms} {is_queue_empty}");
        assert!(!pace.should_cut(now_ms, &idle(), is_queue_empty));
    }
}

#[test]
fn a_commit_is_due_after_four_times_the_last_one() {
    let busy = busy();
    for (took_ms, wait_ms) in [
        (0, 200),
        (50, 200),
        (51, 204),
        (500, 2_000),
        (501, 2_000),
        (60_000, 2_000),
    ] {
        let mut pace = Pace::new(0);
        pace.committed(10_000, took_ms);
        let due_ms = 10_000 + wait_ms;
        assert_eq!(pace.idle_ms(10_000, &busy), wait_ms, "{took_ms}");
        assert!(!pace.should_cut(due_ms - 1, &busy, true), "{took_ms}");
        assert!(pace.should_cut(due_ms, &busy, true), "{took_ms}");
        assert!(!pace.should_cut(due_ms + 1_999, &busy, false), "{took_ms}");
        assert!(pace.should_cut(due_ms + 2_000, &busy, false), "{took_ms}");
    }
}

/// Whether a commit does not wait for its time and an empty queue.
fn is_full(indexer: &Indexer) -> bool {
    Pace::new(1_000).should_cut(0, indexer, false)
}

#[test]
fn new_records_of_16_mib_are_committed_at_once() {
    for missing in [1, 0] {
        let mut indexer = busy();
        let rest = BYTES - indexer.pending_bytes() - missing;
        take(&mut indexer, 1, Some(vec![0; rest].into()), &Only(None));
        assert_eq!(indexer.pending_bytes(), BYTES - missing);
        assert_eq!(is_full(&indexer), missing == 0, "{missing} missing");
    }
}

#[test]
fn loaded_sets_of_256_mib_are_committed_at_once() {
    // Many records share their bytes, so that this needs little memory.
    let mut large = Set::default();
    let record = Bytes::from(vec![0; 60_000]);
    for number in 0..4_000_u32 {
        let element = RecordId::of(&number.to_be_bytes());
        large.add(element);
        large.supply(element, &record);
    }
    for missing in [1, 0] {
        let mut set = large.clone();
        let rest = WEIGHT_BYTES - set.weight_bytes() - missing;
        set.supply_record(&vec![0; rest].into());
        let mut indexer = idle();
        take(&mut indexer, 0, None, &Only(Some(set)));
        assert_eq!(indexer.pending_bytes(), 0);
        assert_eq!(is_full(&indexer), missing == 0, "{missing} missing");
    }
}

#[test]
fn a_tick_waits_a_second_and_for_all_lookups() {
    let mut pace = Pace::new(5_000);
    assert!(!pace.should_tick(4_999));
    assert!(pace.should_tick(5_000));
    pace.ticked(6_000);
    assert!(!pace.should_tick(6_999));
    assert!(pace.should_tick(7_000));
    pace.lookups_began(2);
    pace.lookups_began(1);
    for _ in 0..3 {
        assert!(!pace.should_tick(7_000));
        pace.lookup_ended();
    }
    assert!(pace.should_tick(7_000));
    // An answer that nobody waits for changes nothing.
    pace.lookup_ended();
    pace.lookups_began(1);
    assert!(!pace.should_tick(7_000));
}

#[test]
fn a_driver_sleeps_until_a_commit_or_a_tick_is_due() {
    let (idle, busy) = (idle(), busy());
    let mut pace = Pace::new(0);
    pace.committed(1_000, 0);
    pace.ticked(1_000);
    assert_eq!(pace.idle_ms(1_100, &busy), 100);
    assert_eq!(pace.idle_ms(1_201, &busy), 0);
    assert_eq!(pace.idle_ms(1_100, &idle), 900);
    assert_eq!(pace.idle_ms(2_001, &idle), 0);
    pace.lookups_began(1);
    assert_eq!(pace.idle_ms(1_100, &busy), 100);
    assert_eq!(pace.idle_ms(9_000, &idle), TICK_MS);
}
