//! Single promises, one scenario each.

use kittengrad_aggregator_core::{Event, Input, SourceState};
use kittengrad_journal::{BlockStore, RecordStore};
use kittengrad_proto::{
    block::{Holds, Item},
    id::RecordId,
    signed::Ed25519,
};

use crate::{
    peers::{Peers, canonical, transact},
    process::Process,
};

/// One canonical's number for the cell of each peer, so that a transaction can span all cells.
fn one_per_cell(peers: &Peers) -> Vec<u8> {
    let owner = |number: u8| peers.holders(RecordId::of(&canonical(number)))[0];
    (0..peers.peers.len())
        .map(|cell| (0..=255).find(|number| owner(*number) == cell).unwrap())
        .collect()
}

#[test]
fn a_cover_of_five_peers_with_three_copies_is_two_sources() {
    for (count, expected) in [(1, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 3)] {
        let plan = Peers::new(count, 3).plan();
        assert_eq!(
            (plan.sources.len(), plan.uncovered.len()),
            (expected, 0),
            "{count} peers"
        );
    }
}

#[test]
fn the_first_block_is_there_before_anything_is_read() {
    let peers = Peers::new(5, 3);
    let process = Process::start(&peers);
    let head = process.store.head().unwrap().unwrap();
    assert_eq!((head.incarnation, head.height), (60_000, 0));
    let genesis = process.store.block(60_000, 0).unwrap().unwrap();
    let items = genesis.block.decode_items().unwrap();
    assert!(matches!(&items[..], [Item::Hold(holds)] if *holds == Holds::whole()));
}

#[test]
fn a_transaction_that_adds_nothing_is_not_journalled() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    for nonce in 0..3 {
        peers.apply(0, &transact(nonce, &[(1, &[1, 2])]));
        peers.peers[0].cut();
    }
    for peer in [1, 2] {
        peers.apply(peer, &transact(7, &[(1, &[2, 1])]));
        peers.peers[peer].cut();
    }
    process.read_all(&peers, true);
    assert_eq!(process.emitted().len(), 2);
    let height = process.store.head().unwrap().unwrap().height;
    assert_eq!(height, 1, "one block for the one transaction");
}

#[test]
fn records_are_fetched_before_their_transaction_is_emitted() {
    let mut peers = Peers::new(7, 3);
    let spanning: Vec<(u8, &[u8])> = one_per_cell(&peers)
        .into_iter()
        .map(|number| (number, &[1, 2][..]))
        .collect();
    let spanning = transact(0, &spanning);
    for peer in 0..7 {
        peers.apply(peer, &spanning);
        peers.peers[peer].cut();
    }
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    while process.deliver(source, &peers) {}
    assert_eq!(
        process.fetches.len(),
        4 * 3,
        "four cells, a canonical and two updates each"
    );
    process.flush();
    assert_eq!(process.emitted().len(), 0, "the transaction waits");
    assert_eq!(process.view().records_wanted, 12);
    assert_eq!(
        process
            .view()
            .sources
            .iter()
            .filter(|s| s.state == SourceState::Fetching)
            .count(),
        1
    );
    process.answer(&peers);
    process.flush();
    assert_eq!(process.emitted().len(), 14, "whole, at first sight");
    assert_eq!(process.view().records_wanted, 0);
}

#[test]
fn a_source_that_waits_does_not_hold_up_another() {
    let mut peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let sources = process.sources();
    let works = one_per_cell(&peers);
    for (nonce, source) in sources.iter().enumerate() {
        let (nonce, peer) = (nonce as u8, peers.number(*source));
        process.deliver(*source, &peers);
        for update in 1..=3 {
            peers.apply(peer, &transact(nonce, &[(works[peer], &[update])]));
            peers.peers[peer].cut();
        }
    }
    let peer = peers.by_key(sources[0]);
    let mut frame = peer.frame(peer.block(1));
    frame.entries[0].records.clear();
    process.handle(Input::Block(sources[0], Box::new(frame)));
    for read in 1..=3 {
        process.deliver(sources[1], &peers);
        process.flush();
        assert_eq!(process.emitted().len(), read);
    }
}

#[test]
fn what_nobody_can_show_is_left_until_a_journal_lists_it() {
    let mut peers = Peers::new(7, 3);
    let spanning: Vec<(u8, &[u8])> = one_per_cell(&peers)
        .into_iter()
        .map(|number| (number, &[1][..]))
        .collect();
    let spanning = transact(0, &spanning);
    let mut process = Process::start(&peers);
    let first = process.sources()[0];
    let first = (0..7)
        .find(|peer| peers.peers[*peer].key() == first)
        .unwrap();
    // The other peers do not have it, and its coordinator failed.
    peers.apply(first, &spanning);
    peers.apply(first, &transact(1, &[(one_per_cell(&peers)[first], &[9])]));
    peers.peers[first].cut();

    process.read_all(&peers, false);
    let partly = |event: &&Event| matches!(event, Event::Partly { canonicals: 4, .. });
    assert_eq!(process.events.iter().filter(partly).count(), 1);
    let emitted = process.emitted();
    assert_eq!(
        emitted.len(),
        4,
        "three cells, and the transaction behind was not held up"
    );
    assert_eq!(
        emitted
            .iter()
            .map(|(_, e)| *e)
            .filter(|e| peers.union().contains(e))
            .count(),
        4
    );

    for peer in 0..7 {
        peers.apply(peer, &spanning);
        peers.peers[peer].cut();
    }
    process.read_all(&peers, false);
    assert_eq!(process.emitted().len(), 8);
    assert_eq!(
        process.store.elements().into_iter().collect::<Vec<_>>(),
        peers.union()
    );
}

#[test]
fn element_whose_record_is_gone_is_emitted_all_the_same() {
    let mut peers = Peers::new(3, 3);
    peers.apply(0, &transact(0, &[(1, &[1, 2])]));
    peers.apply(0, &transact(1, &[(2, &[1])]));
    peers.peers[0].cut();
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let peer = peers
        .peers
        .iter()
        .position(|peer| peer.key() == source)
        .unwrap();
    if peer != 0 {
        peers.apply(peer, &transact(0, &[(1, &[1, 2])]));
        peers.apply(peer, &transact(1, &[(2, &[1])]));
        peers.peers[peer].cut();
    }
    // The source sends its blocks without the bytes of the first transaction.
    for height in 0..2 {
        let stored = peers.peers[peer].block(height);
        let mut frame = peers.peers[peer].frame(stored);
        if let Some(entry) = frame.entries.first_mut() {
            entry.records.clear();
        }
        process.handle(Input::Block(source, Box::new(frame)));
    }
    process.flush();
    assert_eq!(process.emitted().len(), 0, "the transaction waits");
    process.pass(3_000);
    process.flush();
    assert_eq!(process.emitted().len(), 3, "the wait has an end");
    let gone = |event: &Event| matches!(event, Event::WithoutRecords { records: 3, .. });
    assert!(process.events.iter().any(gone), "{:?}", process.events);
    let lost = process
        .store
        .records(&[RecordId::of(&canonical(1))])
        .unwrap();
    assert_eq!(lost, [None], "no other bytes take their place");

    // After a restart it still fetches the records, and takes the bytes once a peer has them.
    process.crash();
    process.pass(60_000);
    process.answer(&peers);
    process.flush();
    let found = process
        .store
        .records(&[RecordId::of(&canonical(1))])
        .unwrap();
    assert_eq!(found, [Some(canonical(1))]);
    for restarts in 0..2 {
        process.fetches.clear();
        process.pass(600_000);
        let asked = &process.fetches;
        assert!(
            asked.is_empty(),
            "absent after {restarts} restarts: {asked:?}"
        );
        process.crash();
    }
}

/// Keeps S5.
#[test]
fn wiped_source_is_followed_from_its_new_genesis() {
    let mut peers = Peers::new(3, 3);
    for nonce in 0..5 {
        let submission = transact(nonce, &[(nonce, &[1, 2, 3])]);
        (0..3).for_each(|peer| peers.apply(peer, &submission));
    }
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let mut process = Process::start(&peers);
    process.read_all(&peers, true);
    assert_eq!(process.emitted().len(), 15);

    for peer in 0..3 {
        peers.wipe(peer, 11);
        for nonce in (0..6).rev() {
            peers.apply(peer, &transact(nonce, &[(nonce, &[1, 2, 3])]));
        }
        peers.peers[peer].cut();
    }
    process.read_all(&peers, true);
    assert_eq!(process.emitted().len(), 18, "only the sixth was new");
    let began = |event: &&Event| {
        matches!(
            event,
            Event::Began {
                incarnation: 11,
                ..
            }
        )
    };
    assert_eq!(process.events.iter().filter(began).count(), 1);
}

/// Keeps S5.
#[test]
fn complete_is_never_true_by_default_and_says_why_not() {
    let mut peers = Peers::new(5, 3);
    (0..5).for_each(|peer| peers.apply(peer, &transact(0, &[(1, &[1]), (2, &[])])));
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let mut process = Process::start(&peers);
    let check = |process: &Process, expected: bool, reason: &str| {
        let view = process.view();
        assert_eq!(view.is_ready, expected, "{:?}", view.reasons);
        assert!(view.is_complete || !view.is_ready);
        let reasons = view.reasons.join("; ");
        assert!(
            reasons.contains(reason),
            "{reasons} do not contain {reason:?}"
        );
    };
    check(&process, false, "no data yet");
    process.hear_all(&peers);
    check(&process, false, "is read to block 0 of 2");
    assert!(!process.view().is_fresh && !process.view().is_complete);
    process.read_all(&peers, true);
    process.hear_all(&peers);
    check(&process, true, "");
    process.pass(5_000);
    check(&process, false, "is complete only to 5000 ms ago");
    process.hear_all(&peers);
    check(&process, true, "");
    process.handle(Input::Down(
        process.sources()[0],
        "connection refused".to_owned(),
    ));
    check(&process, true, "");
    process.pass(5_000);
    check(&process, false, "is waiting: connection refused");
    process.hear_all(&peers);
    check(&process, true, "");
    process.crash();
    process.flush();
    check(&process, false, "no data yet");
    process.hear_all(&peers);
    check(&process, true, "");
    // New blocks at the sources do not make it incomplete: nothing was missing less than `fresh_ms` ago.
    (0..5).for_each(|peer| peers.apply(peer, &transact(1, &[(3, &[1])])));
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    process.hear_all(&peers);
    check(&process, true, "");
    // Blocks that were read, but are not on disk, prove nothing.
    for source in process.sources() {
        process.deliver(source, &peers);
    }
    process.pass(5_000);
    process.hear_all(&peers);
    check(&process, false, "is complete only to 5000 ms ago");
    process.flush();
    process.hear_all(&peers);
    check(&process, true, "");
}

/// Five peers with a transaction in their journals, and an aggregator that has read none of them.
fn unread() -> (Peers, Process) {
    let mut peers = Peers::new(5, 3);
    (0..5).for_each(|peer| peers.apply(peer, &transact(0, &[(1, &[1])])));
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let process = Process::start(&peers);
    (peers, process)
}

fn has_caught_up(process: &Process) -> bool {
    let view = process.view();
    view.sources.iter().all(|source| source.has_caught_up)
}

#[test]
fn source_is_unknown_until_it_was_read_to_its_head_once() {
    let (peers, mut process) = unread();
    process.hear_all(&peers);
    assert!(!has_caught_up(&process));
    process.read_all(&peers, true);
    assert!(has_caught_up(&process));
    process.handle(Input::Down(process.sources()[0], "gone".to_owned()));
    process.pass(60_000);
    assert!(has_caught_up(&process), "a source that is down");
    process.crash();
    assert!(!has_caught_up(&process), "not read since the restart");
}

#[test]
fn what_was_signed_long_ago_says_nothing_of_what_came_after_it() {
    let (peers, mut process) = unread();
    process.pass(60_000);
    process.read_all(&peers, true);
    assert!(!has_caught_up(&process), "no current head yet");
    process.hear_all(&peers);
    assert!(has_caught_up(&process));
}

#[test]
fn a_source_that_is_not_settled_proves_nothing() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let peer = peers
        .peers
        .iter()
        .position(|peer| peer.key() == source)
        .unwrap();
    peers.open_filling(peer, 11);
    process.read_all(&peers, true);
    process.hear_all(&peers);
    let view = process.view();
    assert!(
        !view.is_ready && !view.is_complete && !view.sources[0].is_settled,
        "{:?}",
        view.reasons
    );
    assert!(!has_caught_up(&process), "the source is not settled");
    peers.settle(peer);
    process.read_all(&peers, true);
    process.hear_all(&peers);
    assert!(process.view().is_complete, "{:?}", process.view().reasons);
    process.crash();
    process.hear_all(&peers);
    assert!(
        process.view().is_complete,
        "settled after a restart: {:?}",
        process.view().reasons
    );
}

#[test]
fn a_source_that_breaks_its_chain_is_followed_no_further() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let peer = peers
        .peers
        .iter()
        .position(|peer| peer.key() == source)
        .unwrap();
    for nonce in 0..3 {
        peers.apply(peer, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[peer].cut();
    }
    assert!(process.deliver(source, &peers));
    let skipped = peers.peers[peer].frame(peers.peers[peer].block(2));
    assert!(
        skipped.block.verify(&Ed25519).is_ok(),
        "only its place is wrong"
    );
    process.handle(Input::Block(source, Box::new(skipped)));
    assert!(
        !process.deliver_ignored(source, &peers),
        "no block of a lying source is taken"
    );
    let view = process.view();
    assert_eq!(view.sources[0].state, SourceState::Lying);
    assert!(
        view.reasons
            .iter()
            .any(|why| why.contains("block 2 arrived; block 1")),
        "{view:?}"
    );

    process.handle(Input::Retry(source));
    process.read_all(&peers, true);
    process.hear_all(&peers);
    assert_eq!(process.emitted().len(), 3);
    assert!(process.view().is_complete);
}

#[test]
fn a_block_that_is_full_is_flushed_and_nothing_is_lost() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let peer = peers
        .peers
        .iter()
        .position(|peer| peer.key() == source)
        .unwrap();
    // More items than one block may have, because bare inserts are tiny.
    for round in 0..45_u8 {
        for number in 0..=254_u8 {
            peers.apply(peer, &transact(round, &[(number, &[round])]));
        }
        peers.peers[peer].cut();
    }
    while process.deliver(source, &peers) {}
    process.flush();
    assert_eq!(process.emitted().len(), 45 * 255);
    assert!(process.store.head().unwrap().unwrap().height >= 2);
}
