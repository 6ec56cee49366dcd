//! What an aggregator knows of its sources right after a start.

use kittengrad_aggregator_core::{Input, Plan};
use kittengrad_proto::id::PublicKey;

use crate::{
    peers::{Peers, transact},
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
    frame.entries[0].records.clear();
    process.handle(Input::Block(source, Box::new(frame)));
    process.flush();
    assert_eq!(process.emitted().len(), 2);
    (peers, process, source, number)
}

#[test]
fn a_restart_without_news_writes_nothing() {
    let (_, mut process, ..) = stopped();
    assert_eq!(process.restarted(), []);
    assert_eq!(process.flushed(), []);
}

#[test]
fn a_source_is_read_on_after_a_restart() {
    let (peers, mut process, source, number) = stopped();
    let head = Some(peers.peers[number].head());
    process.crash();
    assert_eq!(process.taken(source), head);
    let report = process.view().sources.remove(0);
    assert_eq!((report.position, report.head), (head, None));
    assert!(report.is_settled && !report.has_caught_up);
    // Left out and planned again, it is read on all the same.
    process.handle(Input::Plan(Plan::default()));
    process.handle(Input::Plan(peers.plan()));
    assert_eq!(process.taken(source), head);
}

#[test]
fn what_was_read_just_before_a_restart_is_complete() {
    let (_, mut process, ..) = stopped();
    // The time of the last block is 1,003.
    for (wall_ms, is_complete) in [(6_001, true), (6_002, false)] {
        process.now.wall_ms = wall_ms;
        process.crash();
        let view = process.view();
        assert_eq!(view.is_complete, is_complete, "{:?}", view.reasons);
        assert!(!view.is_fresh, "no head since the start");
    }
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
