//! Single promises, one scenario each.

use std::collections::BTreeSet;

use kittengrad_aggregator_core::{Event, Input, SourceState};
use kittengrad_journal::BlockStore;
use kittengrad_proto::{
    block::{Holds, Item},
    id::{Id, PublicKey, RecordId},
    submission::Submission,
    transaction::Element,
};

use crate::{
    peers::{Peers, bodies, canonical, transact, transact_much},
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
    process.read_all(&peers);
    assert_eq!(process.emitted().len(), 2);
    let height = process.store.head().unwrap().unwrap().height;
    assert_eq!(height, 1, "one block for the one transaction");
}

/// Five peers and their transaction over all cells, and an aggregator that read the first blocks of its two sources.
fn spanning() -> (Peers, Process, [PublicKey; 2], Submission) {
    let mut peers = Peers::new(5, 3);
    let works = one_per_cell(&peers);
    let entries: Vec<(u8, &[u8])> = works.iter().map(|work| (*work, &[1, 2][..])).collect();
    let spanning = transact(0, &entries);
    let mut process = Process::start(&peers);
    let sources = process.sources();
    for source in &sources {
        process.deliver(*source, &peers);
        let number = peers.number(*source);
        peers.apply(number, &spanning);
        peers.peers[number].cut();
    }
    (peers, process, [sources[0], sources[1]], spanning)
}

fn emitted(process: &Process) -> BTreeSet<Element> {
    let emitted = process.emitted().into_iter();
    emitted.map(|(_, element)| element).collect()
}

/// Keeps S5.
#[test]
fn transaction_over_two_sources_comes_in_the_parts_they_list() {
    for order in [[0, 1], [1, 0]] {
        let (peers, mut process, sources, spanning) = spanning();
        let [first, second] = order.map(|number| sources[number]);
        let [part, rest] = [first, second].map(|of| peers.by_key(of).store.elements());
        assert!(process.deliver(first, &peers));
        process.flush();
        assert_eq!(emitted(&process), part, "nothing that it does not list");
        process.pass(600_000);
        process.flush();
        process.crash();
        assert_eq!(emitted(&process), part, "whatever the time");
        assert!(process.deliver(second, &peers));
        process.flush();
        assert_eq!(emitted(&process), &part | &rest);
        assert!(!part.is_subset(&rest) && !rest.is_subset(&part));
        assert_eq!(process.emitted().len(), 10, "each element once");
        let own = process.emitted();
        assert!(own.iter().all(|(id, _)| *id == spanning.transaction.id()));
        assert_eq!(
            (process.fetches.len(), process.view().records_absent),
            (0, 0)
        );
    }
}

/// Keeps S5.
#[test]
fn what_no_source_lists_is_never_emitted() {
    let (peers, mut process, sources, spanning) = spanning();
    // The coordinator failed: one of the sources does not have the transaction.
    while process.deliver(sources[0], &peers) {}
    let bytes = spanning.records.values().cloned().collect();
    process.handle(Input::Records(bytes));
    process.flush();
    let listed = peers.by_key(sources[0]).store.elements();
    assert_eq!(emitted(&process), listed);
}

#[test]
fn sources_are_read_in_turns() {
    let mut peers = Peers::new(5, 3);
    let works = one_per_cell(&peers);
    let mut process = Process::start(&peers);
    let sources = process.sources();
    let [first, second] = [0, 1].map(|of| peers.number(sources[of]));
    let small = [1, 2, 3].map(|nonce| transact(nonce, &[(works[second], &[nonce])]));
    (0..16).for_each(|nonce| peers.apply(first, &transact_much(nonce)));
    small.iter().for_each(|small| peers.apply(second, small));
    for number in [first, second] {
        peers.peers[number].cut();
        for height in 0..=1 {
            // The own block gets full, so that both sources have something to emit after it.
            let peer = &peers.peers[number];
            let block = Box::new(peer.frame(peer.block(height)));
            process.handled(Input::Block(peer.key(), block));
        }
    }
    process.flush();
    let before = process.emitted().len();
    process.handle(Input::Tick);
    process.flush();
    let mut after: Vec<_> = process.emitted()[before..]
        .iter()
        .map(|(id, _)| *id)
        .collect();
    after.dedup();
    let is_small = |id: &Id| small.iter().any(|small| small.transaction.id() == *id);
    let turns: Vec<_> = after.iter().take(6).map(is_small).collect();
    assert!(turns.windows(2).all(|two| two[0] != two[1]), "{turns:?}");
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
    process.read_all(&peers);
    assert_eq!(process.emitted().len(), 15);

    for peer in 0..3 {
        peers.wipe(peer, 11);
        for nonce in (0..6).rev() {
            peers.apply(peer, &transact(nonce, &[(nonce, &[1, 2, 3])]));
        }
        peers.peers[peer].cut();
    }
    process.read_all(&peers);
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
    process.read_all(&peers);
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
    process.read_all(&peers);
    process.hear_all(&peers);
    let view = process.view();
    assert!(
        !view.is_ready && !view.is_complete && !view.sources[0].is_settled,
        "{:?}",
        view.reasons
    );
    peers.settle(peer);
    process.read_all(&peers);
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
fn a_source_that_leaves_out_a_body_is_followed_no_further() {
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
    let mut bare = peers.peers[peer].frame(peers.peers[peer].block(1));
    bodies(&mut bare).clear();
    process.handle(Input::Block(source, Box::new(bare)));
    assert!(
        !process.deliver_ignored(source, &peers),
        "no block of a lying source is taken"
    );
    let view = process.view();
    assert_eq!(view.sources[0].state, SourceState::Lying);
    assert!(
        view.reasons
            .iter()
            .any(|why| why.contains("block 1 lists 1 transactions; 0 bodies arrived")),
        "{view:?}"
    );

    process.handle(Input::Retry(source));
    process.read_all(&peers);
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
