//! Plans that add, leave out and add sources again, and journals that are read again.

use kittengrad_aggregator_core::{Event, Input, Mode, Plan, Planned, SourceState};
use kittengrad_journal::BlockStore;
use kittengrad_proto::{block::Item, id::PublicKey};
use kittengrad_ring::{KeyRange, Point};

use crate::{
    peers::{Peers, transact, transact_much},
    process::Process,
};

const WHOLE: KeyRange = KeyRange::new(Point::ZERO, Point::ZERO);

fn only(source: PublicKey, arc: KeyRange) -> Input {
    Input::Plan(Plan {
        sources: vec![Planned {
            source,
            arc,
            mode: Mode::Read,
        }],
        ..Plan::default()
    })
}

fn none() -> Input {
    Input::Plan(Plan::default())
}

/// Five peers, an aggregator that follows one of them for `arc`, and the key and number of that peer.
fn following(arc: Option<KeyRange>) -> (Peers, Process, PublicKey, usize) {
    let peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let planned = peers.plan().sources[0];
    process.handle(only(planned.source, arc.unwrap_or(planned.arc)));
    let number = peers.number(planned.source);
    (peers, process, planned.source, number)
}

/// Reads the source to its head, and takes a heartbeat of that head.
fn read(process: &mut Process, source: PublicKey, peers: &Peers) {
    while process.deliver(source, peers) {}
    process.flush();
    hear(process, source, peers);
}

fn hear(process: &mut Process, source: PublicKey, peers: &Peers) {
    process.hear_all(peers);
    let heartbeat = peers.by_key(source).heartbeat(process.now.wall_ms);
    process.handle(Input::Alive(source, Box::new(heartbeat.into())));
}

#[test]
fn a_reader_that_is_ahead_is_told_to_begin_again() {
    let (mut peers, mut process, source, number) = following(None);
    read(&mut process, source, &peers);
    for nonce in 0..2 {
        let entries: Vec<(u8, &[u8])> = (0..16).map(|canonical| (canonical, &[1][..])).collect();
        peers.apply(number, &transact(nonce, &entries));
        peers.settle(number);
    }
    let peer = peers.by_key(source);
    let last = peer.frame(peer.block(peer.head().height));
    process.handle(Input::Block(source, Box::new(last)));
    assert!(process.events.contains(&Event::Behind { source }));
    while process.deliver(source, &peers) {}
    process.flush();
    assert_eq!(process.taken(source), Some(peers.by_key(source).head()));
}

#[test]
fn a_source_that_lied_is_read_when_it_is_planned_again() {
    let (mut peers, mut process, source, number) = following(None);
    read(&mut process, source, &peers);
    // It holds one of them.
    let entries: Vec<(u8, &[u8])> = (0..16).map(|canonical| (canonical, &[1][..])).collect();
    peers.apply(number, &transact(0, &entries));
    peers.peers[number].cut();
    process.handle(Input::Lying(source, "a forged block".to_owned()));
    assert!(!process.deliver_ignored(source, &peers));
    let arc = peers.plan().sources[0].arc;
    process.handle(only(source, arc));
    assert!(
        !process.deliver_ignored(source, &peers),
        "the plan is the same"
    );
    process.handle(none());
    process.handle(only(source, arc));
    assert!(process.deliver_ignored(source, &peers));
}

#[test]
fn a_source_that_is_left_out_is_not_read() {
    let (mut peers, mut process, source, number) = following(None);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.apply(number, &transact(1, &[(2, &[1])]));
    peers.apply(number, &transact(2, &[(3, &[1])]));
    peers.peers[number].cut();
    assert!(process.deliver(source, &peers), "the first block");
    process.handle(none());
    let peer = &peers.peers[number];
    let frame = peer.frame(peer.block(1));
    let left = process.handled(Input::Block(source, Box::new(frame)));
    assert_eq!(left.done.get(&source), Some(&1), "the memory is free");
    process.flush();
    assert_eq!(process.emitted().len(), 0);
    process.handle(only(source, peers.plan().sources[0].arc));
    read(&mut process, source, &peers);
    let expected = peers.peers[number].store.elements().len();
    assert_eq!(process.emitted().len(), expected);
}

#[test]
fn what_a_forgotten_block_said_of_arcs_is_read_again() {
    let (mut peers, mut process, source, number) = following(None);
    peers.open_filling(number, 11);
    read(&mut process, source, &peers);
    // The own block is full, and the `settled` item waits behind transactions.
    (0..16).for_each(|nonce| peers.apply(number, &transact_much(nonce)));
    peers.peers[number].cut();
    peers.settle(number);
    for height in [1, 2] {
        let peer = &peers.peers[number];
        let frame = peer.frame(peer.block(height));
        let out = process.handled(Input::Block(source, Box::new(frame)));
        assert!(out.is_full);
    }
    assert_eq!(process.view().sources[0].queued, 2);

    process.handle(none());
    process.handle(only(source, peers.plan().sources[0].arc));
    assert_eq!(process.view().sources[0].queued, 0);
    read(&mut process, source, &peers);
    let view = process.view();
    assert!(view.sources[0].is_settled, "{:?}", view.reasons);
}

/// A source whose new disk was read, and then its old disk came back with unread blocks in incarnation 10. Incarnation
/// 12 continues from the old disk, with two transactions.
fn old_disk_came_back() -> (Peers, Process, PublicKey, usize) {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    let old = peers.peers[number].store.clone();
    peers.wipe(number, 11);
    process.read_all(&peers);
    assert_eq!(process.emitted().len(), 0, "the old disk was never read");

    peers.come_back(number, old, 12);
    for nonce in 2..4 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    (peers, process, source, number)
}

/// The source sends a block of any incarnation on its disk.
fn send(process: &mut Process, peers: &Peers, number: usize, (incarnation, height): (u64, u64)) {
    let peer = &peers.peers[number];
    let stored = BlockStore::block(&peer.store, incarnation, height);
    let frame = peer.frame(stored.unwrap().unwrap());
    process.handle(Input::Block(peer.key(), Box::new(frame)));
}

/// The source sends its journal from the beginning of the old disk, and it is complete.
fn read_again(process: &mut Process, peers: &Peers, number: usize) {
    for place in [(10, 0), (10, 1), (12, 0), (12, 1), (12, 2)] {
        send(process, peers, number, place);
    }
    process.flush();
    hear(process, peers.peers[number].key(), peers);
    assert_eq!(process.emitted().len(), 3);
    let view = process.view();
    assert!(view.is_complete, "{:?}", view.reasons);
}

#[test]
fn blocks_on_their_way_do_not_disturb_reading_again() {
    let (peers, mut process, source, number) = old_disk_came_back();
    // The reader requested the whole new incarnation before it saw the fork of its first block, and requested it again
    // when its connection was lost.
    for height in [0, 1, 2, 0] {
        let peer = &peers.peers[number];
        let frame = peer.frame(peer.block(height));
        let out = process.handled(Input::Block(source, Box::new(frame)));
        assert_eq!(out.done.get(&source), Some(&1), "block {height}");
    }
    let behind = Event::Behind { source };
    let is_behind = process.events.iter().filter(|event| **event == behind);
    assert_eq!(is_behind.count(), 1, "{:?}", process.events);
    assert_eq!(process.taken(source), None, "from its beginning");
    assert_ne!(process.view().sources[0].state, SourceState::Lying);
    read_again(&mut process, &peers, number);
}

#[test]
fn reading_again_goes_on_after_a_source_was_left_out() {
    let (peers, mut process, source, number) = old_disk_came_back();
    send(&mut process, &peers, number, (12, 0));
    process.handle(none());
    process.handle(Input::Plan(peers.plan()));
    assert_eq!(process.taken(source), None, "from its beginning");
    read_again(&mut process, &peers, number);
}

#[test]
fn reading_again_goes_on_after_a_source_lied() {
    let (peers, mut process, source, number) = old_disk_came_back();
    send(&mut process, &peers, number, (12, 0));
    process.handle(Input::Lying(source, "forged".to_owned()));
    process.handle(Input::Retry(source));
    assert_eq!(process.taken(source), None, "from its beginning");
    read_again(&mut process, &peers, number);
}

#[test]
fn a_disk_lost_before_it_is_read_again_does_not_stop_reading() {
    let (mut peers, mut process, source, number) = old_disk_came_back();
    send(&mut process, &peers, number, (12, 0));
    peers.wipe(number, 13);
    peers.apply(number, &transact(4, &[(4, &[1])]));
    peers.peers[number].cut();
    read(&mut process, source, &peers);
    assert_eq!(process.emitted().len(), 1);
    let view = process.view();
    assert!(view.is_complete, "{:?}", view.reasons);
}

#[test]
fn no_more_than_64_arcs_of_a_source_are_remembered() {
    let (mut peers, mut process, source, number) = following(Some(WHOLE));
    peers.open_filling(number, 11);
    let at = |number: u8| Point::new([number; 32]);
    let arc = |number: u8| KeyRange::new(at(2 * number), at(2 * number + 1));
    for number_of_arc in 0..65 {
        let settled = Item::Settled(arc(number_of_arc).into());
        peers.peers[number].journal.note(&settled);
    }
    peers.peers[number].cut();
    read(&mut process, source, &peers);
    for (number, is_settled) in [(0, true), (63, true), (64, false)] {
        process.handle(only(source, arc(number)));
        let view = process.view();
        assert_eq!(view.sources[0].is_settled, is_settled, "arc {number}");
    }
}
