//! Absent records: they hold up nothing, are counted, and are fetched until they come.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{Event, Fetch, Input};
use kittengrad_journal::{RecordStore, Write};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    signed::Signer as _,
    submission::Submission,
    transaction::Entry,
};

use crate::{
    peers::{Peers, canonical, publisher, sign, statement, transact},
    process::{Process, scene},
};

/// The source signs a block. The block arrives without the bytes of its records.
fn deliver_bare(process: &mut Process, source: PublicKey, peers: &mut Peers) {
    deliver_without(process, source, peers, |_| true);
}

/// The source signs a block. The block arrives without the bytes of some records.
fn deliver_without(
    process: &mut Process,
    source: PublicKey,
    peers: &mut Peers,
    is_lacking: impl Fn(&RecordId) -> bool,
) {
    let number = peers.number(source);
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(peer.head().height));
    let entries = frame.entries.iter_mut().flatten();
    entries.for_each(|entry| entry.records.retain(|id, _| !is_lacking(id)));
    process.handle(Input::Block(source, Box::new(frame)));
}

/// The id of canonical `number`.
fn work(number: u8) -> RecordId {
    RecordId::of(&canonical(number))
}

/// The bytes of update `update` of canonical `number`.
fn update(number: u8, update: u8) -> Bytes {
    statement(number, update, publisher().public())
}

/// The fetches of canonical `number` and of these updates of it, ascending.
fn fetches_of(number: u8, updates: &[u8]) -> Vec<Fetch> {
    let records = updates.iter().map(|of| RecordId::of(&update(number, *of)));
    let fetch = |record| Fetch {
        canonical: work(number),
        record,
    };
    let mut fetches: Vec<_> = records.chain([work(number)]).map(fetch).collect();
    fetches.sort();
    fetches
}

/// The fetches since the last call, ascending.
fn fetched(process: &mut Process) -> Vec<Fetch> {
    let mut fetches = std::mem::take(&mut process.fetches);
    fetches.sort();
    fetches
}

/// Whether the disk has the bytes of each record.
fn has(process: &Process, records: &[RecordId]) -> Vec<bool> {
    let found = process.store.records(records).unwrap();
    found.iter().map(Option::is_some).collect()
}

/// A number of emitted elements, and of absent records.
fn counts(process: &Process) -> (usize, usize) {
    (process.emitted().len(), process.view().records_absent)
}

#[test]
fn missing_records_hold_up_nothing() {
    let (mut peers, mut process, source, number) = scene();
    for nonce in 1..=3 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        // Each second block lacks its records.
        deliver_without(&mut process, source, &mut peers, |_| nonce % 2 == 1);
        process.flush();
        assert_eq!(process.emitted().len(), usize::from(nonce));
        assert_eq!(process.taken(source), Some(peers.peers[number].head()));
    }
    assert_eq!(counts(&process), (3, 4));
    let without = |event: &&Event| matches!(event, Event::WithoutRecords { records: 2, .. });
    assert_eq!(process.events.iter().filter(without).count(), 2);
}

#[test]
fn missing_records_are_fetched_at_once_and_then_written() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1, 2])]));
    deliver_bare(&mut process, source, &mut peers);
    assert_eq!(process.fetches.len(), 3);
    process.flush();
    assert_eq!(counts(&process), (2, 3));
    process.answer(&peers);
    process.flush();
    assert_eq!(counts(&process), (2, 0));
    let updates = [update(1, 1), update(1, 2)].map(|bytes| RecordId::of(&bytes));
    assert_eq!(has(&process, &[work(1), updates[0], updates[1]]), [true; 3]);
    process.pass(600_000);
    assert_eq!(process.fetches, [], "the search ended");
}

#[test]
fn absent_records_are_counted_until_each_has_come() {
    let (canonical, update) = (canonical(1), update(1, 1));
    for [first, last] in [[&canonical, &update], [&update, &canonical]] {
        let (mut peers, mut process, source, number) = scene();
        peers.apply(number, &transact(0, &[(1, &[1])]));
        deliver_bare(&mut process, source, &mut peers);
        for (bytes, expected) in [(first, 1), (first, 1), (last, 0), (last, 0)] {
            process.handle(Input::Records(vec![bytes.clone()]));
            process.flush();
            assert_eq!(counts(&process), (1, expected));
            process.crash();
            assert_eq!(counts(&process), (1, expected), "after a restart");
        }
    }
}

#[test]
fn records_that_came_with_an_item_are_kept() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1]), (2, &[1])]));
    let lacking = RecordId::of(&update(1, 1));
    deliver_without(&mut process, source, &mut peers, |id| *id == lacking);
    let fetch = Fetch {
        canonical: work(1),
        record: lacking,
    };
    assert_eq!(process.fetches, [fetch], "only the lacking one");
    process.flush();
    let came = [work(1), work(2), RecordId::of(&update(2, 1))];
    assert_eq!(has(&process, &came), [true; 3]);
    assert_eq!(counts(&process), (2, 1));
}

#[test]
fn a_canonical_that_is_not_inserted_is_not_fetched() {
    let (mut peers, mut process, source, number) = scene();
    let named = RecordId::of(&update(1, 1));
    let entry = Entry {
        canonical: work(1),
        insert: false,
        updates: vec![named],
    };
    let submission = Submission {
        transaction: Arc::new(sign(0, vec![entry])),
        records: [(named, update(1, 1))].into(),
    };
    peers.apply(number, &submission);
    deliver_bare(&mut process, source, &mut peers);
    let fetch = Fetch {
        canonical: work(1),
        record: named,
    };
    assert_eq!(process.fetches, [fetch]);
}

#[test]
fn records_of_entries_that_are_not_listed_are_not_absent() {
    let mut peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    process.deliver(source, &peers);
    let is_held = |of: &u8| peers.holders(work(*of)).contains(&number);
    let held = (0..=255).find(is_held).unwrap();
    let other = (0..=255).find(|of| !is_held(of)).unwrap();
    peers.apply(number, &transact(0, &[(held, &[1]), (other, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(counts(&process), (1, 2));
    assert_eq!(fetched(&mut process), fetches_of(held, &[1]));
}

#[test]
fn a_canonical_is_needed_if_any_element_of_its_entry_is_listed() {
    let (mut peers, mut process, source, number) = scene();
    let named: Vec<_> = (1..=3).map(|of| RecordId::of(&update(1, of))).collect();
    let mut sorted = named.clone();
    sorted.sort();
    let entry = Entry {
        canonical: work(1),
        insert: false,
        updates: sorted[..2].to_vec(),
    };
    let records = (1..=3).map(|of| (named[of - 1], update(1, of as u8)));
    let submission = Submission {
        transaction: Arc::new(sign(0, vec![entry])),
        records: records.collect(),
    };
    peers.apply(number, &submission);
    deliver_without(&mut process, source, &mut peers, |_| false);
    assert_eq!(process.fetches, []);
    // The source lists the last update only, because it has the others.
    peers.apply(number, &transact(1, &[(1, &[1, 2, 3])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(counts(&process), (3, 2));
    let found: BTreeSet<_> = process.fetches.iter().map(|fetch| fetch.record).collect();
    assert_eq!(found, [work(1), sorted[2]].into());
}

#[test]
fn records_on_disk_are_not_fetched() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    process.deliver(source, &peers);
    process.flush();
    peers.apply(number, &transact(1, &[(1, &[1, 2])]));
    deliver_bare(&mut process, source, &mut peers);
    let missing = Fetch {
        canonical: work(1),
        record: RecordId::of(&update(1, 2)),
    };
    assert_eq!(process.fetches, [missing]);
}

#[test]
fn an_absent_record_is_fetched_less_and_less_often() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    let mut asked = Vec::new();
    for second in 0..2_500 {
        if !process.fetches.is_empty() {
            assert_eq!(fetched(&mut process), fetches_of(1, &[1]));
            asked.push(second);
        }
        process.pass(1_000);
    }
    // It doubles from 5 s to 10 minutes.
    let expected = [0, 5, 15, 35, 75, 155, 315, 635, 1_235, 1_835, 2_435];
    assert_eq!(asked, expected);
    process.flush();
    assert_eq!(counts(&process), (1, 2), "and never forgotten");
}

#[test]
fn absent_records_are_fetched_and_taken_after_a_restart() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1, 2])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    process.crash();
    assert_eq!(counts(&process), (2, 3));
    process.pass(4_999);
    assert_eq!(process.fetches, [], "five seconds after the start");
    process.pass(1);
    process.fetches.sort();
    assert_eq!(process.fetches, fetches_of(1, &[1, 2]));
    process.answer(&peers);
    process.flush();
    let updates = [update(1, 1), update(1, 2)].map(|bytes| RecordId::of(&bytes));
    let all = [work(1), updates[0], updates[1]];
    assert_eq!(has(&process, &all), [true; 3]);
    assert_eq!(counts(&process), (2, 0));
}

#[test]
fn absent_records_of_a_round_that_failed_are_absent_again() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush_and_crash();
    assert_eq!(counts(&process), (0, 0));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(counts(&process), (1, 2));
    process.answer(&peers);
    process.flush_and_crash();
    assert_eq!(counts(&process), (1, 2), "the bytes are not on disk");
}

#[test]
fn an_absent_canonical_comes_with_a_later_transaction() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    peers.apply(number, &transact(1, &[(1, &[2])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(counts(&process), (2, 3), "the canonical counts once");
    peers.apply(number, &transact(2, &[(1, &[3])]));
    deliver_without(&mut process, source, &mut peers, |_| false);
    process.flush();
    assert_eq!(counts(&process), (3, 2), "two updates are absent");
    assert_eq!(has(&process, &[work(1)]), [true]);
}

/// Five peers whose two sources both list a transaction about canonical `shared`. The first one was read without the
/// records.
fn shared_by_two_sources() -> (Peers, Process, u8) {
    let mut peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let sources = process.sources();
    for source in &sources {
        process.deliver(*source, &peers);
    }
    let numbers = [0, 1].map(|of| peers.number(sources[of]));
    let is_shared = |of: &u8| {
        let holders = peers.holders(work(*of));
        numbers.iter().all(|number| holders.contains(number))
    };
    let shared = (0..=255).find(is_shared).unwrap();
    for number in numbers {
        peers.apply(number, &transact(0, &[(shared, &[1])]));
    }
    deliver_bare(&mut process, sources[0], &mut peers);
    process.flush();
    assert_eq!(counts(&process), (1, 2));
    (peers, process, shared)
}

#[test]
fn absent_records_come_with_the_item_of_another_source() {
    for is_restarted in [false, true] {
        let (mut peers, mut process, shared) = shared_by_two_sources();
        if is_restarted {
            process.crash();
        }
        let source = process.sources()[1];
        deliver_without(&mut process, source, &mut peers, |_| false);
        let writes = process.flushed();
        let records = writes.iter().filter_map(|write| match write {
            Write::Record(id, _) => Some(*id),
            _ => None,
        });
        let expected = [work(shared), RecordId::of(&update(shared, 1))];
        assert_eq!(records.collect::<BTreeSet<_>>(), expected.into());
        assert_eq!(counts(&process), (1, 0), "nothing new, and all is here");
        process.fetches.clear();
        process.pass(600_000);
        assert_eq!(process.fetches, [], "the search ended");
    }
}

#[test]
fn another_source_without_the_records_changes_nothing() {
    let (mut peers, mut process, _) = shared_by_two_sources();
    let source = process.sources()[1];
    process.fetches.clear();
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(counts(&process), (1, 2));
    assert_eq!(process.fetches, [], "they are fetched already");
}

#[test]
fn an_absent_record_comes_with_a_transaction_that_adds_nothing() {
    let (mut peers, mut process, source, number) = scene();
    let submission = transact(0, &[(1, &[1])]);
    peers.apply(number, &submission);
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    // The source starts with an empty disk and lists the transaction again, now with its bytes.
    peers.wipe(number, 11);
    peers.apply(number, &submission);
    peers.peers[number].cut();
    while process.deliver(source, &peers) {}
    process.flush();
    assert_eq!(counts(&process), (1, 0), "nothing new, and all is here");
    let all = [work(1), RecordId::of(&update(1, 1))];
    assert_eq!(has(&process, &all), [true; 2]);
}

/// 17 canonicals with 256 updates each, all without records: 4,369 absent records.
fn many_absent() -> (Peers, Process) {
    let (mut peers, mut process, source, number) = scene();
    let updates: Vec<u8> = (0..=255).collect();
    for canonical in 0..17 {
        peers.apply(number, &transact(canonical, &[(canonical, &updates)]));
    }
    deliver_bare(&mut process, source, &mut peers);
    while process.view().sources[0].queued > 0 {
        process.pass(0);
    }
    process.flush();
    assert_eq!(counts(&process), (17 * 256, 17 * 257));
    (peers, process)
}

/// The records fetched within a time, one tick a second. No tick has more than 256 fetches.
fn fetched_within(process: &mut Process, seconds: u64) -> BTreeSet<RecordId> {
    let mut found = BTreeSet::new();
    for _ in 0..seconds {
        process.fetches.clear();
        process.pass(1_000);
        assert!(process.fetches.len() <= 256);
        found.extend(process.fetches.iter().map(|fetch| fetch.record));
    }
    found
}

#[test]
fn any_number_of_absent_records_is_fetched_again_and_again() {
    let (peers, mut process) = many_absent();
    for is_restarted in [false, true] {
        if is_restarted {
            process.crash();
            assert_eq!(counts(&process), (17 * 256, 17 * 257));
        }
        for round in 0..3 {
            let found = fetched_within(&mut process, 1_200).len();
            assert_eq!(found, 17 * 257, "round {round}");
        }
    }
    // Some of the bytes come, and in the end all.
    for _ in 0..6_000 {
        process.fetches.truncate(100);
        process.answer(&peers);
        process.pass(1_000);
    }
    process.flush();
    assert_eq!(counts(&process), (17 * 256, 0));
    process.crash();
    assert_eq!(counts(&process), (17 * 256, 0));
}

#[test]
fn a_new_absent_record_is_fetched_soon_among_many() {
    let (mut peers, mut process) = many_absent();
    let (source, number) = (process.sources()[0], 40);
    for is_restarted in [false, true] {
        if is_restarted {
            process.crash();
        }
        fetched_within(&mut process, 3_000);
        let at = peers.number(source);
        let number = number + u8::from(is_restarted);
        peers.apply(at, &transact(number, &[(number, &[1])]));
        process.fetches.clear();
        deliver_bare(&mut process, source, &mut peers);
        assert_eq!(fetched(&mut process), fetches_of(number, &[1]));
        process.flush();
    }
}
