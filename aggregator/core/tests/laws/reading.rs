//! What heads and blocks of sources prove, and the report about it.

use kittengrad_aggregator_core::{Input, SourceReport, SourceState};
use kittengrad_journal::BlockStore;

use crate::{
    peers::{Peers, transact},
    process::{Process, scene},
};

fn has_caught_up(process: &Process) -> bool {
    process.view().sources[0].has_caught_up
}

/// The first source of a process sends a heartbeat at a time.
fn hear_at(process: &mut Process, peers: &Peers, time_ms: u64) {
    let source = process.sources()[0];
    let heartbeat = peers.by_key(source).heartbeat(time_ms);
    process.handle(Input::Alive(source, heartbeat));
}

#[test]
fn the_report_of_a_source_follows_its_blocks() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let planned = peers.plan().sources[0];
    let number = peers.number(planned.source);
    let mut expected = SourceReport {
        source: planned.source,
        arc: planned.arc,
        state: SourceState::Waiting,
        position: None,
        head: None,
        head_time_ms: None,
        is_settled: false,
        has_caught_up: false,
        queued: 0,
        reason: Some("no data yet".to_owned()),
    };
    let found = |process: &Process| process.view().sources.remove(0);
    assert_eq!(found(&process), expected);

    // The first block is taken in, and a heartbeat names the next one.
    let first = peers.peers[number].head();
    process.deliver(planned.source, &peers);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    let head = peers.peers[number].head();
    hear_at(&mut process, &peers, 60_007);
    (expected.state, expected.reason) = (SourceState::Behind, None);
    (expected.head, expected.head_time_ms) = (Some(head), Some(60_007));
    expected.is_settled = true;
    assert_eq!(found(&process), expected, "the first block is not on disk");
    process.flush();
    expected.position = Some(first);
    assert_eq!(found(&process), expected);

    process.deliver(planned.source, &peers);
    assert_eq!(found(&process), expected, "not on disk yet");
    process.flush();
    (expected.state, expected.position) = (SourceState::Level, Some(head));
    expected.has_caught_up = true;
    assert_eq!(found(&process), expected);
}

#[test]
fn a_block_is_current_for_five_seconds_after_it_was_signed() {
    for (age_ms, expected) in [(4_999, true), (5_000, false)] {
        let peers = Peers::new(3, 3);
        let mut process = Process::start(&peers);
        process.now.monotonic_ms = 100_000;
        // The time of the first block of every peer is 1,001.
        process.now.wall_ms = 1_001 + age_ms;
        process.deliver(process.sources()[0], &peers);
        assert!(!has_caught_up(&process), "not on disk");
        process.flush();
        assert_eq!(has_caught_up(&process), expected, "{age_ms} ms");
        assert_eq!(process.view().is_complete, expected, "{age_ms} ms");
    }
}

#[test]
fn a_block_on_disk_proves_the_time_at_which_it_was_signed() {
    let (mut peers, mut process, source, number) = scene();
    peers.peers[number].wall_ms = 60_000;
    for nonce in 0..2 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    // The heartbeat names block 2, and only block 1 was read.
    assert!(process.deliver(source, &peers));
    hear_at(&mut process, &peers, 60_100);
    process.now.wall_ms = 60_100;
    let view = process.view();
    assert!(view.is_fresh && !view.is_complete, "not on disk");
    process.flush();
    let view = process.view();
    assert!(view.is_complete, "{:?}", view.reasons);
    assert!(!has_caught_up(&process), "not to the head");
    assert_eq!(view.sources[0].state, SourceState::Behind);
}

#[test]
fn a_new_incarnation_has_newer_heads_than_a_longer_old_one() {
    let (mut peers, mut process, source, number) = scene();
    for nonce in 0..3 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    process.read_all(&peers);
    let now_ms = process.now.wall_ms;
    hear_at(&mut process, &peers, now_ms);
    let old = peers.by_key(source).heartbeat(now_ms + 1);
    peers.wipe(number, 11);
    let head = peers.peers[number].head();
    process.read_all(&peers);
    hear_at(&mut process, &peers, now_ms);
    for _ in 0..2 {
        let report = process.view().sources.remove(0);
        assert_eq!((report.head, report.position), (Some(head), Some(head)));
        assert_eq!(report.state, SourceState::Level);
        // A late heartbeat of the old incarnation changes nothing.
        process.handle(Input::Alive(source, old.clone()));
    }
}

#[test]
fn a_head_may_be_dated_five_seconds_ahead() {
    let (peers, mut process, _, _) = scene();
    let now_ms = process.now.wall_ms;
    hear_at(&mut process, &peers, now_ms + 5_000);
    let view = process.view();
    assert!(view.is_ready && view.is_complete && view.is_fresh);
    hear_at(&mut process, &peers, now_ms + 5_001);
    let view = process.view();
    assert!(!view.is_ready && !view.is_complete && !view.is_fresh);
    let named = |why: &String| why.contains("5001 ms ahead of our clock");
    assert!(view.reasons.iter().any(named), "{:?}", view.reasons);
}

#[test]
fn a_position_dated_ahead_proves_nothing_about_now() {
    let (mut peers, mut process, _, number) = scene();
    let now_ms = process.now.wall_ms;
    hear_at(&mut process, &peers, now_ms + 3_600_000);
    // The next head has the right time, and is not read.
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    hear_at(&mut process, &peers, now_ms);
    let view = process.view();
    assert!(view.is_fresh && !view.is_complete && !view.is_ready);
    let named = |why: &String| why.contains("3600000 ms ahead of our clock");
    assert!(view.reasons.iter().any(named), "{:?}", view.reasons);
}

#[test]
fn a_head_dated_ahead_is_named_before_it_is_read() {
    let (mut peers, mut process, _, number) = scene();
    let now_ms = process.now.wall_ms;
    hear_at(&mut process, &peers, now_ms);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    hear_at(&mut process, &peers, now_ms + 3_600_000);
    let view = process.view();
    assert!(view.is_complete && !view.is_fresh && !view.is_ready);
    let named = |why: &String| why.contains("3600000 ms ahead of our clock");
    assert!(view.reasons.iter().any(named), "{:?}", view.reasons);
}

#[test]
fn the_own_block_has_the_time_of_the_wall_clock() {
    let (mut peers, mut process, source, number) = scene();
    process.pass(1_234);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    process.deliver(source, &peers);
    process.flush();
    let head = process.store.head().unwrap();
    let tip = process.view().tip.unwrap();
    assert_eq!((Some(tip.head), tip.time_ms), (head, 61_234));
}
