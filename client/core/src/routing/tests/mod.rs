//! The promises of a call, for all answers of the replicas.

mod health;
mod reports;

use std::collections::{BTreeMap, BTreeSet};

use kittengrad_proto::id::PublicKey;
use proptest::prelude::*;

use super::{Backoff, Call, GiveUp, Health, Patience, Step, Trouble};

const PATIENCE: Patience = Patience {
    call_ms: 10_000,
    attempts_max: 3,
    reroutes_max: 2,
    backoff: Backoff {
        base_ms: 100,
        max_ms: 400,
    },
};

fn peer(byte: u8) -> PublicKey {
    PublicKey::new([byte; 32])
}

fn peers<const N: usize>() -> [PublicKey; N] {
    std::array::from_fn(|i| peer(u8::try_from(i).unwrap() + 1))
}

#[test]
fn a_replica_is_avoided_longer_with_each_failure() {
    let [a, b] = peers();
    let mut health = Health::default();
    health.failed(b, Trouble::TimedOut, 0, 0);
    for _ in 0..4 {
        health.failed(a, Trouble::TimedOut, 0, 0);
    }
    assert_eq!(health.order([a, b], 0), [b, a]);
    // All is forgiven after the longest time.
    assert_eq!(health.order([a, b], 60_000), [a, b]);
}

#[test]
fn replicas_are_asked_in_order_and_only_as_many_as_are_needed() {
    let [a, b, c] = peers();
    let mut call = Call::new(PATIENCE, [a, b, c], 2, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    assert_eq!(call.step(0), Step::Ask(b));
    assert_eq!(call.step(0), Step::Wait { until_ms: 10_000 });
    call.answered(b);
    assert_eq!(call.step(1), Step::Wait { until_ms: 10_000 });
    call.answered(a);
    assert_eq!(call.step(2), Step::Done);
}

#[test]
fn a_failed_replica_is_asked_last_after_a_back_off() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::Unavailable, 0, 0);
    assert_eq!(call.step(0), Step::Ask(b));
    call.failed(b, Trouble::TimedOut, 10, 0);
    assert_eq!(call.step(10), Step::Wait { until_ms: 50 });
    assert_eq!(call.step(50), Step::Ask(a));
    call.failed(a, Trouble::Unavailable, 60, 0);
    assert_eq!(call.step(60), Step::Ask(b));
}

#[test]
fn a_refusal_ends_the_call_because_others_would_refuse_alike() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::Refused, 0, 0);
    assert_eq!(call.step(0), Step::GiveUp(GiveUp::Refused { by: a }));
}

#[test]
fn a_replica_that_misbehaves_is_not_asked_again() {
    let [a] = peers();
    let mut call = Call::new(PATIENCE, [a], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::Misbehaved, 0, 0);
    assert_eq!(call.step(5_000), Step::GiveUp(GiveUp::Exhausted));
}

#[test]
fn whoever_does_not_hold_it_makes_the_call_learn_the_ring() {
    let [a, b, c] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::NotResponsible, 0, 0);
    assert_eq!(call.step(0), Step::Reroute { told_by: a });
    call.rerouted([c, b], 1);
    assert_eq!(call.step(1), Step::Ask(c));
}

#[test]
fn if_the_ring_is_the_same_the_others_are_asked() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::NotResponsible, 0, 0);
    call.rerouted([a, b], 0);
    assert_eq!(call.step(0), Step::Ask(b));
    call.failed(b, Trouble::NotResponsible, 0, 0);
    call.rerouted([a, b], 0);
    assert_eq!(call.step(0), Step::GiveUp(GiveUp::Exhausted));
}

#[test]
fn a_call_reroutes_up_to_its_limit_and_goes_on_without() {
    let all: [PublicKey; 5] = peers();
    let mut call = Call::new(PATIENCE, all, 1, 0);
    let mut reroutes = 0;
    for peer in all {
        assert_eq!(call.step(0), Step::Ask(peer));
        call.failed(peer, Trouble::NotResponsible, 0, 0);
        if reroutes < PATIENCE.reroutes_max {
            assert_eq!(call.step(0), Step::Reroute { told_by: peer });
            call.rerouted(all, 0);
            reroutes += 1;
        }
    }
    assert_eq!(call.step(0), Step::GiveUp(GiveUp::Exhausted));
}

#[test]
fn without_a_holder_there_is_nobody_to_ask() {
    let mut call = Call::new(PATIENCE, [], 1, 0);
    assert_eq!(call.step(0), Step::GiveUp(GiveUp::NoHolder));
}

#[test]
fn a_call_ends_at_its_deadline_with_answers_in_flight() {
    let [a] = peers();
    let mut call = Call::new(PATIENCE, [a], 1, 5);
    assert_eq!(call.step(5), Step::Ask(a));
    assert_eq!(call.step(10_005), Step::GiveUp(GiveUp::TimedOut));
}

#[test]
fn a_wait_ends_at_the_deadline_at_the_latest() {
    let [a] = peers();
    let patience = Patience {
        call_ms: 40,
        ..PATIENCE
    };
    let mut call = Call::new(patience, [a], 1, 5);
    assert_eq!(call.step(5), Step::Ask(a));
    call.failed(a, Trouble::Overloaded, 6, 0);
    assert_eq!(call.step(6), Step::Wait { until_ms: 45 });
    assert_eq!(call.step(45), Step::GiveUp(GiveUp::TimedOut));
}

#[test]
fn those_that_failed_are_asked_last_until_they_answer() {
    let [a, b, c] = peers();
    let mut health = Health::default();
    health.failed(a, Trouble::Unavailable, 0, 0);
    health.failed(b, Trouble::Refused, 0, 0);
    assert_eq!(health.order([a, b, c], 100), [b, c, a]);
    health.answered(a);
    assert_eq!(health.order([a, b, c], 100), [a, b, c]);
}

#[test]
fn back_off_is_bounded_for_every_number_of_failures() {
    let extreme = Backoff {
        base_ms: u64::MAX,
        max_ms: u64::MAX,
    };
    for failures in [0, 1, 2, 31, 32, 33, 64, u32::MAX] {
        assert!(PATIENCE.backoff.wait_ms(failures, u64::MAX) <= 400);
        let _ = extreme.wait_ms(failures, u64::MAX);
    }
}

fn outcome() -> impl Strategy<Value = Option<Trouble>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Trouble::NotResponsible)),
        1 => Just(Some(Trouble::Filling)),
        2 => Just(Some(Trouble::Unavailable)),
        1 => Just(Some(Trouble::TimedOut)),
        1 => Just(Some(Trouble::Overloaded)),
        1 => Just(Some(Trouble::Unacknowledged)),
        1 => Just(Some(Trouble::Misbehaved)),
    ]
}

/// How a call ended, when, and what was done until then.
struct Played {
    end: Step,
    end_ms: u64,
    asked: BTreeMap<PublicKey, u32>,
    answered: BTreeSet<PublicKey>,
    reroutes: u32,
}

/// Plays a call to its end against replicas that answer as `script` says.
fn play(
    patience: Patience,
    candidates: usize,
    needed: usize,
    script: &[Option<Trouble>],
) -> Played {
    let all: Vec<_> = (0..candidates)
        .map(|i| peer(u8::try_from(i).unwrap()))
        .collect();
    let mut call = Call::new(patience, all.clone(), needed, 0);
    let (mut now_ms, mut script) = (0, script.iter().copied());
    let (mut asked, mut answered, mut reroutes) = (BTreeMap::new(), BTreeSet::new(), 0);
    for _ in 0..1_000 {
        match call.step(now_ms) {
            Step::Ask(peer) => {
                assert!(
                    !answered.contains(&peer),
                    "nobody is asked again who answered"
                );
                *asked.entry(peer).or_insert(0) += 1;
                now_ms += 1;
                match script.next().unwrap_or(Some(Trouble::Unavailable)) {
                    None => {
                        call.answered(peer);
                        answered.insert(peer);
                    }
                    Some(trouble) => call.failed(peer, trouble, now_ms, now_ms),
                }
            }
            Step::Wait { until_ms } => {
                assert!(until_ms > now_ms, "a wait moves on");
                now_ms = until_ms;
            }
            Step::Reroute { .. } => {
                reroutes += 1;
                call.rerouted(all.clone(), now_ms);
            }
            end => {
                return Played {
                    end,
                    end_ms: now_ms,
                    asked,
                    answered,
                    reroutes,
                };
            }
        }
    }
    panic!("the call does not end");
}

proptest! {
    /// Keeps S11.
    #[test]
    fn every_call_ends_within_its_budget(
        candidates in 0_usize..8,
        needed in 1_usize..8,
        // From less than the first back-off to more than all of them.
        call_ms in prop_oneof![3 => 1_u64..1_000, 1 => Just(PATIENCE.call_ms)],
        script in prop::collection::vec(outcome(), 0..60),
    ) {
        let patience = Patience { call_ms, ..PATIENCE };
        let played = play(patience, candidates, needed, &script);
        prop_assert!(played.end_ms <= call_ms, "it ends at {}", played.end_ms);
        prop_assert!(played.asked.values().all(|&times| times <= patience.attempts_max));
        prop_assert!(played.reroutes <= patience.reroutes_max);
        match played.end {
            Step::Done => prop_assert_eq!(played.answered.len(), needed),
            Step::GiveUp(GiveUp::NoHolder) => prop_assert_eq!(candidates, 0),
            Step::GiveUp(GiveUp::TimedOut) => {
                prop_assert_eq!(played.end_ms, call_ms);
                prop_assert!(played.answered.len() < needed);
            }
            Step::GiveUp(_) => prop_assert!(played.answered.len() < needed),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
