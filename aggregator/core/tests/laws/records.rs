//! Missing records: how long a transaction waits for them, and how often they are fetched.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use kittengrad_aggregator_core::{Event, Fetch, Input, SourceState};
use kittengrad_journal::RecordStore;
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
    let entries = frame.entries.iter_mut();
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

/// Whether the disk has the bytes of each record.
fn has(process: &Process, records: &[RecordId]) -> Vec<bool> {
    let found = process.store.records(records).unwrap();
    found.iter().map(Option::is_some).collect()
}

fn emitted(process: &Process) -> usize {
    process.emitted().len()
}

#[test]
fn after_a_wait_in_vain_nothing_waits_for_a_while() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(2_999);
    process.flush();
    assert_eq!(process.emitted().len(), 0, "the wait is three seconds");
    process.pass(1);
    process.flush();
    assert_eq!(process.emitted().len(), 1);

    peers.apply(number, &transact(1, &[(2, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(process.emitted().len(), 2, "no wait after one in vain");

    process.pass(9_999);
    peers.apply(number, &transact(2, &[(3, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(process.emitted().len(), 3, "no wait for 10 s");

    process.pass(1);
    peers.apply(number, &transact(3, &[(4, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    for (ms, expected) in [(0, 3), (2_999, 3), (1, 4)] {
        process.pass(ms);
        process.flush();
        assert_eq!(emitted(&process), expected, "a wait again after 10 s");
    }
}

#[test]
fn a_wait_that_succeeded_does_not_shorten_the_next_one() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(2_999);
    process.answer(&peers);
    process.flush();
    assert_eq!(emitted(&process), 1);
    let incomplete =
        |event: &Event| matches!(event, Event::Partly { .. } | Event::WithoutRecords { .. });
    assert!(!process.events.iter().any(incomplete));
    peers.apply(number, &transact(1, &[(2, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(emitted(&process), 1, "the second one waits");
}

#[test]
fn a_wait_is_in_vain_if_elements_are_left_for_later() {
    let mut peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    process.deliver(source, &peers);
    let is_held = |of: &u8| peers.holders(work(*of)).contains(&number);
    let held = (0..=255).find(is_held).unwrap();
    let other = (0..=255).find(|of| !is_held(of)).unwrap();
    for (nonce, expected) in [(1, [0, 1]), (2, [2, 2])] {
        // The source sends the records of its own cells.
        let spanning = transact(nonce, &[(held, &[nonce]), (other, &[nonce])]);
        peers.apply(number, &spanning);
        deliver_without(&mut process, source, &mut peers, |_| false);
        for (ms, expected) in [0, 3_000].into_iter().zip(expected) {
            process.pass(ms);
            process.flush();
            assert_eq!(emitted(&process), expected, "transaction {nonce}");
        }
    }
    let partly = |event: &&Event| matches!(event, Event::Partly { canonicals: 1, .. });
    assert_eq!(process.events.iter().filter(partly).count(), 2);
    let without = |event: &Event| matches!(event, Event::WithoutRecords { .. });
    assert!(!process.events.iter().any(without), "{:?}", process.events);
}

#[test]
fn a_transaction_waits_until_all_its_records_arrived() {
    let (canonical, update) = (canonical(1), update(1, 1));
    for [first, last] in [[&canonical, &update], [&update, &canonical]] {
        let (mut peers, mut process, source, number) = scene();
        peers.apply(number, &transact(0, &[(1, &[1])]));
        deliver_bare(&mut process, source, &mut peers);
        process.handle(Input::Records(vec![first.clone()]));
        process.flush();
        let view = process.view();
        let found = (view.sources[0].state, view.records_wanted);
        assert_eq!(found, (SourceState::Fetching, 2));
        assert_eq!(emitted(&process), 0);
        process.handle(Input::Records(vec![last.clone()]));
        process.flush();
        assert_eq!(process.view().records_wanted, 0);
        assert_eq!(emitted(&process), 1);
    }
}

#[test]
fn records_that_came_with_a_transaction_are_kept_for_it() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1]), (2, &[1])]));
    let lacking = RecordId::of(&update(1, 1));
    deliver_without(&mut process, source, &mut peers, |id| *id == lacking);
    let fetch = Fetch {
        canonical: work(1),
        record: lacking,
    };
    assert_eq!(process.fetches, [fetch], "only the lacking one");
    process.answer(&peers);
    process.flush();
    assert_eq!(emitted(&process), 2);
    let all = [work(1), lacking, work(2), RecordId::of(&update(2, 1))];
    assert_eq!(has(&process, &all), [true; 4]);
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
fn an_entry_is_listed_if_any_of_its_elements_is() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1, 2, 3])]));
    deliver_without(&mut process, source, &mut peers, |_| false);
    process.flush();
    // The source lists the last update only, because it has the others.
    peers.apply(number, &transact(1, &[(1, &[1, 2, 3, 4])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    assert_eq!(emitted(&process), 4);
    let without = |event: &&Event| matches!(event, Event::WithoutRecords { records: 1, .. });
    assert_eq!(process.events.iter().filter(without).count(), 1);
}

#[test]
fn what_is_here_is_not_fetched() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    process.deliver(source, &peers);
    process.flush();
    peers.apply(number, &transact(1, &[(1, &[1, 2])]));
    deliver_bare(&mut process, source, &mut peers);
    let missing = Fetch {
        canonical: RecordId::of(&canonical(1)),
        record: RecordId::of(&statement(1, 2, publisher().public())),
    };
    assert_eq!(process.fetches, [missing]);
}

#[test]
fn a_record_that_did_not_come_is_asked_for_twice_a_second() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    let mut asked = vec![process.fetches.len()];
    for ms in [499, 1, 1, 498, 1] {
        process.fetches.clear();
        process.pass(ms);
        asked.push(process.fetches.len());
    }
    // The canonical and its update.
    assert_eq!(asked, [2, 0, 2, 0, 0, 2]);
}

#[test]
fn a_record_is_wanted_while_any_transaction_waits_for_it() {
    let mut peers = Peers::new(7, 3);
    let all: Vec<u8> = (0..40).collect();
    let spanning: Vec<(u8, &[u8])> = all.iter().map(|number| (*number, &[1][..])).collect();
    let spanning = transact(0, &spanning);
    for peer in 0..7 {
        peers.apply(peer, &spanning);
        peers.peers[peer].cut();
    }
    let mut process = Process::start(&peers);
    let sources = process.sources();
    for source in &sources[..2] {
        while process.deliver(*source, &peers) {}
    }
    process.flush();
    assert_eq!(process.emitted().len(), 0, "both lack records");
    process.handle(Input::Lying(sources[0], "forged".to_owned()));
    process.answer(&peers);
    process.flush();
    assert_eq!(process.emitted().len(), 40);
    let partly = |event: &Event| matches!(event, Event::Partly { .. });
    assert!(!process.events.iter().any(partly), "{:?}", process.events);
}

#[test]
fn absent_records_are_few_and_asked_for_a_few_at_a_time() {
    let (mut peers, mut process, source, number) = scene();
    let updates: Vec<u8> = (0..=255).collect();
    // 17 canonicals and 4,352 updates.
    for canonical in 0..17 {
        peers.apply(number, &transact(canonical, &[(canonical, &updates)]));
    }
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    assert_eq!(process.emitted().len(), 17 * 256, "no element is left out");

    process.crash();
    process.now.monotonic_ms += 60_000;
    let mut asked = BTreeSet::new();
    for _ in 0..16 {
        process.fetches.clear();
        process.pass(0);
        assert_eq!(process.fetches.len(), 256);
        asked.extend(process.fetches.iter().map(|fetch| fetch.record));
    }
    assert_eq!(asked.len(), 4_096);
    process.fetches.clear();
    process.pass(0);
    assert!(process.fetches.is_empty(), "each was fetched once");
}

#[test]
fn absent_records_are_fetched_and_taken_after_a_restart() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1, 2])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    process.crash();
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
}

#[test]
fn absent_records_are_fetched_five_seconds_after_the_wait() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    process.fetches.clear();
    process.pass(4_999);
    assert_eq!(process.fetches, []);
    process.pass(1);
    process.fetches.sort();
    assert_eq!(process.fetches, fetches_of(1, &[1]));
}

#[test]
fn an_absent_record_may_be_wanted_by_another_transaction() {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    process.pass(10_000);
    process.fetches.clear();
    peers.apply(number, &transact(1, &[(1, &[2])]));
    deliver_bare(&mut process, source, &mut peers);
    process.fetches.sort();
    assert_eq!(process.fetches, fetches_of(1, &[2]));
    process.answer(&peers);
    process.flush();
    assert_eq!(emitted(&process), 2);
    assert_eq!(has(&process, &[work(1)]), [true]);
}

#[test]
fn an_absent_record_comes_with_a_transaction_that_adds_nothing() {
    let (mut peers, mut process, source, number) = scene();
    let submission = transact(0, &[(1, &[1])]);
    peers.apply(number, &submission);
    deliver_bare(&mut process, source, &mut peers);
    process.pass(3_000);
    process.flush();
    // The source starts with an empty disk and lists the transaction again, now with its bytes.
    peers.wipe(number, 11);
    peers.apply(number, &submission);
    peers.peers[number].cut();
    while process.deliver(source, &peers) {}
    process.flush();
    assert_eq!(emitted(&process), 1, "nothing new");
    let all = [work(1), RecordId::of(&update(1, 1))];
    assert_eq!(has(&process, &all), [true; 2]);
    process.fetches.clear();
    process.pass(600_000);
    assert_eq!(process.fetches, [], "the search ended");
}
