//! What an aggregator knows of its sources right after a start.

use kittengrad_aggregator_core::{Input, Plan};
use kittengrad_journal::BlockStore as _;
use kittengrad_proto::id::PublicKey;

use crate::{
    peers::{Peers, bodies, transact},
    process::{Process, scene},
};

/// A source of which two transactions were read, the second one without its records, and the process ended.
fn stopped() -> (Peers, Process, PublicKey, usize) {
    let (mut peers, mut process, source, number) = scene();
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    process.deliver(source, &peers);
    peers.apply(number, &transact(1, &[(2, &[1])]));
    peers.peers[number].cut();
    let peer = &peers.peers[number];
    let mut frame = peer.frame(peer.block(2));
    bodies(&mut frame)[0].records.clear();
    process.handle(Input::Block(source, Box::new(frame)));
    process.flush();
    assert_eq!(process.emitted().len(), 2);
    (peers, process, source, number)
}

#[test]
fn a_source_is_read_on_after_a_restart() {
    let (peers, mut process, source, number) = stopped();
    let head = Some(peers.peers[number].head());
    process.crash();
    assert_eq!(process.taken(source), head);
    let report = process.view().sources.remove(0);
    assert_eq!((report.position, report.head), (head, None));
    assert!(report.is_settled);
    // Left out and planned again, it is read on all the same.
    process.handle(Input::Plan(Plan::default()));
    process.handle(Input::Plan(peers.plan()));
    assert_eq!(process.taken(source), head);
}

#[test]
fn settled_arcs_are_known_to_the_next_block_after_a_restart() {
    let (mut peers, mut process, source, number) = stopped();
    process.crash();
    peers.apply(number, &transact(2, &[(3, &[1])]));
    peers.peers[number].cut();
    process.deliver(source, &peers);
    process.flush();
    process.hear_all(&peers);
    let view = process.view();
    assert!(view.is_complete, "{:?}", view.reasons);
}

/// A store that is restored from an old copy signs no height twice.
#[test]
fn every_start_begins_an_incarnation_after_the_last_block() {
    let (peers, mut process, ..) = stopped();
    let old = process.store.clone();
    let before = old.head().unwrap().unwrap();
    process.crash();
    process.flush();
    let first = process.store.head().unwrap().unwrap();
    assert!(first.incarnation > before.incarnation && first.height == 0);
    let stored = process.store.block(first.incarnation, 0).unwrap().unwrap();
    assert_eq!(stored.block.header.fork, Some(before));

    process.store = old;
    process.crash();
    process.flush();
    let again = process.store.head().unwrap().unwrap();
    assert!(again.incarnation > first.incarnation);
    assert_eq!(process.emitted().len(), 2);
    process.hear_all(&peers);
    let view = process.view();
    assert!(view.is_ready && view.elements == 2, "{:?}", view.reasons);
}

#[test]
fn a_copy_started_twice_with_a_late_clock_forks_twice() {
    let (_, mut process, ..) = stopped();
    let old = process.store.clone();
    process.now.wall_ms = 5;
    let starts = [old.clone(), old].map(|copy| {
        process.store = copy;
        process.crash();
        process.flush();
        process.store.head().unwrap().unwrap().incarnation
    });
    assert!(starts[0] < starts[1], "{starts:?}");
}

#[test]
fn nothing_is_complete_after_a_start_until_the_peers_answer() {
    let (peers, mut process, ..) = stopped();
    process.hear_all(&peers);
    assert!(process.view().is_ready);
    process.crash();
    process.flush();
    assert!(!process.view().is_complete && !process.view().is_fresh);
    process.hear_all(&peers);
    assert!(process.view().is_ready);
}

#[test]
fn after_a_step_of_the_clock_nothing_is_complete() {
    let (peers, mut process, ..) = stopped();
    process.hear_all(&peers);
    process.now.wall_ms += 1_000;
    process.handle(Input::Tick);
    assert!(process.view().is_ready, "a second is no step");
    process.now.wall_ms += 1_001;
    process.handle(Input::Tick);
    let view = process.view();
    assert!(!view.is_complete && !view.is_fresh && !view.is_ready);
    process.hear_all(&peers);
    assert!(process.view().is_ready);
}
