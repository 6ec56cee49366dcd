//! What heads and blocks of sources prove, and the report about it.

use kittengrad_aggregator_core::{Input, Mode, SourceReport, SourceState};
use kittengrad_journal::BlockStore;

use crate::{
    peers::{Peers, transact},
    process::{Process, scene},
};

/// The first source of a process sends a heartbeat at a time.
fn hear_at(process: &mut Process, peers: &Peers, time_ms: u64) {
    let source = process.sources()[0];
    let heartbeat = peers.by_key(source).heartbeat(time_ms);
    process.handle(Input::Alive(source, Box::new(heartbeat.into())));
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
        mode: Mode::Read,
        state: SourceState::Waiting,
        position: None,
        head: None,
        head_time_ms: None,
        is_settled: false,
        lag_ms: None,
        queued: 0,
        reason: Some("no data yet".to_owned()),
    };
    let found = |process: &Process| {
        let report = process.view().sources.remove(0);
        SourceReport {
            lag_ms: None,
            ..report
        }
    };
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
    assert_eq!(found(&process), expected);
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
        process.handle(Input::Alive(source, Box::new(old.clone().into())));
    }
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
