//! The effect of each report on a call.

use super::{Call, GiveUp, Health, PATIENCE, Patience, Step, Trouble, peers};

/// A next step, without its time.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Again,
    Never,
    Reroutes,
    Ends,
}

#[test]
fn each_trouble_has_its_effect_on_call_and_replica() {
    let [a, b] = peers();
    for (trouble, expected, is_avoided) in [
        (Trouble::NotResponsible, Then::Reroutes, false),
        (Trouble::Filling, Then::Again, true),
        (Trouble::Starting, Then::Again, true),
        (Trouble::Unavailable, Then::Again, true),
        (Trouble::TimedOut, Then::Again, true),
        (Trouble::Overloaded, Then::Again, true),
        (Trouble::Unknown, Then::Never, false),
        (Trouble::NotFresh, Then::Never, false),
        (Trouble::Unacknowledged, Then::Again, false),
        (Trouble::Misbehaved, Then::Never, true),
        (Trouble::Refused, Then::Ends, false),
    ] {
        let mut call = Call::new(PATIENCE, [a], 1, 0);
        assert_eq!(call.step(0), Step::Ask(a));
        call.failed(a, trouble, 0, 0);
        let then = match call.step(0) {
            Step::Wait { until_ms: 50 } => Then::Again,
            Step::GiveUp(GiveUp::Exhausted) => Then::Never,
            Step::Reroute { told_by } if told_by == a => Then::Reroutes,
            Step::GiveUp(GiveUp::Refused { by }) if by == a => Then::Ends,
            other => panic!("{trouble:?}: {other:?}"),
        };
        assert_eq!(then, expected, "{trouble:?}");
        let mut health = Health::default();
        health.failed(a, trouble, 0, 0);
        let order = if is_avoided { [b, a] } else { [a, b] };
        assert_eq!(health.order([a, b], 0), order, "{trouble:?}");
    }
}

#[test]
fn reads_and_writes_end_after_their_time_and_attempts() {
    let [a] = peers();
    let longest = |patience: Patience, failures| patience.backoff.wait_ms(failures, 0) * 2;
    for (patience, call_ms, attempts, first_ms, longest_ms) in [
        (Patience::READ, 15_000, 3, 50, 500),
        (Patience::WRITE, 60_000, 20, 100, 3_000),
    ] {
        let mut call = Call::new(patience, [a], 1, 7);
        assert_eq!(call.deadline_ms(), 7 + call_ms);
        assert_eq!(longest(patience, 1), first_ms);
        assert_eq!(longest(patience, 32), longest_ms);
        let (mut now_ms, mut asked) = (7, 0);
        let end = loop {
            match call.step(now_ms) {
                Step::Ask(_) => {
                    asked += 1;
                    call.failed(a, Trouble::TimedOut, now_ms, 0);
                }
                Step::Wait { until_ms } => now_ms = until_ms,
                end => break end,
            }
        };
        assert_eq!((end, asked), (Step::GiveUp(GiveUp::Exhausted), attempts));
    }
}

#[test]
fn waits_of_one_replica_double_up_to_their_limit() {
    let [a] = peers();
    let patience = Patience {
        attempts_max: 6,
        ..PATIENCE
    };
    let mut call = Call::new(patience, [a], 1, 0);
    let mut now_ms = 0;
    for wait_ms in [50, 100, 200, 200, 200] {
        assert_eq!(call.step(now_ms), Step::Ask(a));
        call.failed(a, Trouble::Filling, now_ms, 0);
        let until_ms = now_ms + wait_ms;
        assert_eq!(call.step(now_ms), Step::Wait { until_ms });
        now_ms = until_ms;
    }
}

#[test]
fn a_refusal_and_enough_answers_count_after_the_deadline() {
    let [a, b] = peers();
    let late_ms = PATIENCE.call_ms + 1;
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    call.step(0);
    call.answered(a);
    assert_eq!(call.step(late_ms), Step::Done);
    call.failed(b, Trouble::Refused, 0, 0);
    assert_eq!(call.step(late_ms), Step::GiveUp(GiveUp::Refused { by: b }));
}

#[test]
fn enough_answers_need_no_new_ring() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 2, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    assert_eq!(call.step(0), Step::Ask(b));
    call.failed(a, Trouble::NotResponsible, 0, 0);
    assert_eq!(call.step(0), Step::Reroute { told_by: a });
    assert_eq!(call.step(1), Step::Reroute { told_by: a }, "until it is");
    let over = Step::GiveUp(GiveUp::TimedOut);
    assert_eq!(call.step(PATIENCE.call_ms), over);
    call.answered(b);
    call.need(1);
    assert_eq!(call.step(0), Step::Done);
}

#[test]
fn a_call_waits_for_the_last_answers_before_it_gives_up() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 2, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    assert_eq!(call.step(0), Step::Ask(b));
    call.failed(b, Trouble::Misbehaved, 0, 0);
    assert_eq!(call.step(0), Step::Wait { until_ms: 10_000 });
    call.answered(a);
    assert_eq!(call.step(0), Step::GiveUp(GiveUp::Exhausted));
}

#[test]
fn an_answer_counts_once_even_after_a_failure() {
    let [a, b, stranger] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 2, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.failed(a, Trouble::TimedOut, 0, 0);
    call.answered(a);
    call.answered(a);
    call.answered(stranger);
    assert_eq!(call.answers(), 1);
    assert_eq!(call.step(1_000), Step::Ask(b));
    assert_eq!(call.step(1_000), Step::Wait { until_ms: 10_000 });
}

#[test]
fn a_failure_of_a_stranger_changes_nothing() {
    let [a, stranger] = peers();
    for trouble in [Trouble::Refused, Trouble::NotResponsible] {
        let mut call = Call::new(PATIENCE, [a], 1, 0);
        call.failed(stranger, trouble, 0, 0);
        assert_eq!(call.step(0), Step::Ask(a), "{trouble:?}");
    }
}

#[test]
fn only_answers_of_the_new_replicas_count_after_a_reroute() {
    let [a, b, c, d] = peers();
    let mut call = Call::new(PATIENCE, [a, b, c], 3, 0);
    for peer in [a, b, c] {
        assert_eq!(call.step(0), Step::Ask(peer));
    }
    call.answered(a);
    call.answered(b);
    assert_eq!(call.answers(), 2);
    // The new ring has `c`, which was asked, `b`, which answered, and `d`, twice.
    call.rerouted([d, c, d, b], 20);
    assert_eq!(call.answers(), 1);
    assert_eq!(call.step(19), Step::Wait { until_ms: 20 });
    assert_eq!(call.step(20), Step::Ask(d));
    assert_eq!(call.step(20), Step::Wait { until_ms: 10_000 });
    call.answered(d);
    call.answered(c);
    assert_eq!(call.step(20), Step::Done);
}

#[test]
fn a_call_asks_more_replicas_when_it_needs_more() {
    let [a, b] = peers();
    let mut call = Call::new(PATIENCE, [a, b], 1, 0);
    assert_eq!(call.step(0), Step::Ask(a));
    call.need(2);
    assert_eq!(call.step(0), Step::Ask(b));
    call.answered(b);
    call.need(1);
    assert_eq!(call.step(0), Step::Done);
}
