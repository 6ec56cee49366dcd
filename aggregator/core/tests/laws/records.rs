//! Missing records: how long a transaction waits for them, and how often they are fetched.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::{Event, Fetch, Input};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    signed::Signer as _,
};

use crate::{
    peers::{Peers, canonical, publisher, statement, transact},
    process::{Process, scene},
};

/// The source signs a block. The block arrives without the bytes of its records.
fn deliver_bare(process: &mut Process, source: PublicKey, peers: &mut Peers) {
    let number = peers.number(source);
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(peer.head().height));
    frame.entries.iter_mut().for_each(|e| e.records.clear());
    process.handle(Input::Block(source, Box::new(frame)));
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

    process.pass(10_000);
    peers.apply(number, &transact(2, &[(3, &[1])]));
    deliver_bare(&mut process, source, &mut peers);
    process.flush();
    assert_eq!(process.emitted().len(), 2, "a wait again after 10 s");
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
