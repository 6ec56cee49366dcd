//! The connections to sources: what is reported of them, and the memory of their blocks.

use kittengrad_aggregator_core::{Event, Input, SourceState};
use kittengrad_proto::{block::Item, id::PublicKey};

use crate::{
    peers::{Peers, bodies, transact},
    process::{Process, full_scene, scene},
};

fn alive(process: &Process, source: PublicKey, peers: &Peers) -> Input {
    let heartbeat = peers.by_key(source).heartbeat(process.now.wall_ms);
    Input::Alive(source, Box::new(heartbeat.into()))
}

/// A block of the source's incarnation as input. `is_bare` leaves out the records.
fn block(source: PublicKey, peers: &Peers, height: u64, is_bare: bool) -> Input {
    let peer = peers.by_key(source);
    let mut frame = peer.frame(peer.block(height));
    if is_bare {
        bodies(&mut frame)
            .iter_mut()
            .for_each(|e| e.records.clear());
    }
    Input::Block(source, Box::new(frame))
}

/// The blocks of a source whose memory an input frees.
fn freed(process: &mut Process, input: Input) -> Vec<(PublicKey, usize)> {
    process.handled(input).done.into_iter().collect()
}

#[test]
fn a_source_reports_when_it_answers_and_when_it_stops() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let source = process.sources()[0];
    let number = peers.number(source);
    peers.apply(number, &transact(0, &[(1, &[1])]));
    peers.peers[number].cut();
    let reports = |waiting: Option<&str>| Event::Source {
        source,
        waiting: waiting.map(str::to_owned),
    };
    let answers = || reports(None);
    let began = Event::Began {
        source,
        incarnation: 10,
    };
    let lied = Event::Lied {
        source,
        why: "forged".to_owned(),
    };
    let down = |why: &str| Input::Down(source, why.to_owned());
    let alive = || alive(&process, source, &peers);
    let steps = [
        (block(source, &peers, 0, false), vec![answers(), began]),
        (block(source, &peers, 1, false), vec![]),
        (alive(), vec![]),
        (down("refused"), vec![reports(Some("refused"))]),
        (down("refused"), vec![]),
        (down("timed out"), vec![reports(Some("timed out"))]),
        (alive(), vec![answers()]),
        (Input::Lying(source, "forged".to_owned()), vec![lied]),
        (alive(), vec![]),
        (down("refused"), vec![]),
        (Input::Retry(source), vec![]),
        (alive(), vec![answers()]),
    ];
    assert_eq!(process.events, []);
    for (number, (input, expected)) in steps.into_iter().enumerate() {
        process.handle(input);
        let events = std::mem::take(&mut process.events);
        assert_eq!(events, expected, "step {number}");
    }
}

#[test]
fn a_source_that_lied_is_silent_after_a_retry_until_it_sends() {
    let (peers, mut process, source, _) = scene();
    let state = |process: &Process| {
        let report = process.view().sources.remove(0);
        (report.state, report.reason)
    };
    let waiting = |why: &str| (SourceState::Waiting, Some(why.to_owned()));
    process.handle(Input::Lying(source, "forged".to_owned()));
    let lying = (SourceState::Lying, Some("forged".to_owned()));
    assert_eq!(state(&process), lying);
    process.handle(Input::Retry(source));
    assert_eq!(state(&process), waiting("no data yet"));
    process.handle(alive(&process, source, &peers));
    assert_eq!(state(&process), (SourceState::Level, None));
    process.handle(Input::Down(source, "refused".to_owned()));
    assert_eq!(state(&process), waiting("refused"));
}

#[test]
fn inputs_of_a_source_outside_of_the_plan_change_nothing() {
    let (peers, mut process, source, _) = scene();
    process.events.clear();
    let mut keys = peers.peers.iter().map(|peer| peer.key());
    let other = keys.find(|key| *key != source).unwrap();
    let why = || "why".to_owned();
    for input in [
        alive(&process, other, &peers),
        Input::Down(other, why()),
        Input::Lying(other, why()),
        Input::Retry(other),
    ] {
        assert_eq!(freed(&mut process, input), []);
    }
    let input = block(other, &peers, 0, false);
    assert_eq!(freed(&mut process, input), [(other, 1)]);
    assert_eq!(process.events, []);
    assert_eq!(process.taken(other), None);
    assert_eq!(process.view().sources.len(), 1);
}

#[test]
fn lost_blocks_of_a_source_are_reported() {
    let (mut peers, mut process, source, number) = scene();
    let gap = |incarnation, from_height| Item::Gap {
        incarnation,
        from_height,
    };
    peers.peers[number].journal.note(&gap(8, 4));
    peers.peers[number].journal.note(&gap(9, 0));
    peers.peers[number].cut();
    process.events.clear();
    process.deliver(source, &peers);
    let expected = [(8, 4), (9, 0)].map(|(incarnation, from_height)| Event::Gap {
        source,
        incarnation,
        from_height,
    });
    assert_eq!(process.events, expected);
}

#[test]
fn a_block_of_an_old_incarnation_changes_nothing() {
    let (mut peers, mut process, source, number) = scene();
    let old = block(source, &peers, 0, false);
    peers.wipe(number, 11);
    process.deliver(source, &peers);
    process.flush();
    process.events.clear();
    let before = process.view().sources;
    assert!(before[0].is_settled);
    assert_eq!(freed(&mut process, old), [(source, 1)]);
    assert_eq!(process.events, []);
    process.flush();
    assert_eq!(process.view().sources, before);
}

#[test]
fn memory_of_a_block_is_freed_once_all_of_it_is_emitted() {
    let (mut peers, mut process, source, number) = full_scene();
    peers.apply(number, &transact(1, &[(1, &[1])]));
    peers.peers[number].cut();
    let input = block(source, &peers, 2, false);
    assert_eq!(freed(&mut process, input), [], "it waits behind");
    assert_eq!(process.view().sources[0].queued, 2);
    process.flush();
    assert_eq!(freed(&mut process, Input::Tick), [(source, 2)]);
    assert_eq!(process.view().sources[0].queued, 0);
    let input = block(source, &peers, 2, false);
    assert_eq!(freed(&mut process, input), [(source, 1)], "a repeat");
    // A block without transactions, one with, and one without its records.
    peers.settle(number);
    for nonce in [2, 3] {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    for height in [3, 4, 5] {
        let input = block(source, &peers, height, height == 5);
        assert_eq!(freed(&mut process, input), [(source, 1)]);
    }
}

#[test]
fn the_memory_of_all_blocks_of_a_liar_is_freed() {
    let (mut peers, mut process, source, number) = full_scene();
    for nonce in 1..=3 {
        peers.apply(number, &transact(nonce, &[(nonce, &[1])]));
        peers.peers[number].cut();
    }
    let input = block(source, &peers, 2, false);
    assert_eq!(freed(&mut process, input), []);
    // It leaves out the body of block 3.
    let mut frame = peers.peers[number].frame(peers.peers[number].block(3));
    bodies(&mut frame).clear();
    let input = Input::Block(source, Box::new(frame));
    assert_eq!(freed(&mut process, input), [(source, 3)]);
    assert_eq!(process.view().sources[0].queued, 0);
    let input = Input::Lying(source, "again".to_owned());
    assert_eq!(freed(&mut process, input), []);
}

#[test]
fn a_plan_that_keeps_a_source_keeps_its_blocks() {
    let (peers, mut process, ..) = full_scene();
    let input = Input::Plan(peers.plan());
    assert_eq!(freed(&mut process, input), []);
    assert_eq!(process.view().sources[0].queued, 1);
    process.flush();
    process.handle(Input::Tick);
    process.flush();
    assert_eq!(process.emitted().len(), 8 * 21);
}
