//! The status and the events of an aggregator: no arc is complete without a source, and no event or write repeats.

use kittengrad_aggregator_core::{Input, SourceState};

use crate::{
    peers::{Peers, transact},
    process::Process,
};

#[test]
fn an_arc_without_a_source_is_never_complete() {
    let mut peers = Peers::new(5, 3);
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let mut process = Process::start(&peers);
    process.read_all(&peers);
    process.hear_all(&peers);
    assert!(process.view().is_complete && process.view().is_fresh);
    let mut plan = peers.plan();
    plan.uncovered.push(plan.sources[0].arc);
    process.handle(Input::Plan(plan));
    process.hear_all(&peers);
    let view = process.view();
    assert!(!view.is_complete && !view.is_fresh && !view.is_ready);
    let uncovered: Vec<_> = view.uncovered.iter().map(|of| of.arc).collect();
    assert_eq!(uncovered, [peers.plan().sources[0].arc]);
    let named = |why: &&String| why.contains("no peer that is up holds the arc");
    assert_eq!(view.reasons.iter().filter(named).count(), 1);
}

#[test]
fn an_aggregator_is_not_ready_before_its_source_is_settled() {
    let mut peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    let number = peers.number(process.sources()[0]);
    peers.open_filling(number, 11);
    process.read_all(&peers);
    process.hear_all(&peers);
    let view = process.view();
    assert!(!view.is_complete && !view.is_ready);
    let why = view.reasons.join("; ");
    assert!(why.contains("is not settled in its part"), "{why}");
    peers.settle(number);
    process.read_all(&peers);
    process.hear_all(&peers);
    assert!(process.view().is_ready, "{:?}", process.view().reasons);
}

#[test]
fn only_the_sources_of_the_plan_are_in_the_status() {
    let peers = Peers::new(5, 3);
    let mut process = Process::start(&peers);
    let mut plan = peers.plan();
    let left = plan.sources.remove(0);
    process.handle(Input::Plan(plan));
    let found: Vec<_> = process.view().sources.iter().map(|of| of.source).collect();
    assert!(found.len() == 1 && found != [left.source]);
    process.handle(Input::Plan(peers.plan()));
    assert_eq!(process.view().sources.len(), 2);
}

#[test]
fn each_state_of_a_source_has_its_word() {
    for (state, word) in [
        (SourceState::Level, "level"),
        (SourceState::Behind, "behind"),
        (SourceState::Waiting, "waiting"),
        (SourceState::Lying, "lying"),
    ] {
        assert_eq!(state.as_str(), word);
    }
}

#[test]
fn a_source_that_stays_down_is_reported_once() {
    let peers = Peers::new(3, 3);
    let mut process = Process::start(&peers);
    process.events.clear();
    let source = process.sources()[0];
    for why in ["refused", "refused", "timed out"] {
        process.handle(Input::Down(source, why.to_owned()));
    }
    assert_eq!(process.events.len(), 2, "{:?}", process.events);
}

#[test]
fn a_flush_without_news_writes_nothing() {
    let mut peers = Peers::new(3, 3);
    (0..3).for_each(|peer| peers.apply(peer, &transact(0, &[(1, &[1])])));
    peers.peers.iter_mut().for_each(|peer| peer.cut());
    let mut process = Process::start(&peers);
    process.read_all(&peers);
    process.flush();
    assert!(process.handled(Input::Flush).writes.is_empty());
}
