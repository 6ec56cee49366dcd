//! Pauses after failures: their lengths, their random part, and their end.

use super::{Backoff, Health, PATIENCE, Trouble, peers};

#[test]
fn a_replica_is_avoided_until_its_time_is_over() {
    let [a, b] = peers();
    for (failures, avoided_ms) in [(1, 500), (2, 1_000), (5, 8_000), (6, 15_000), (40, 15_000)] {
        let mut health = Health::default();
        for _ in 0..failures {
            health.failed(a, Trouble::TimedOut, 7_000, 0);
        }
        let until_ms = 7_000 + avoided_ms;
        assert_eq!(health.order([a, b], until_ms - 1), [b, a], "{failures}");
        assert_eq!(health.order([a, b], until_ms), [a, b], "{failures}");
    }
}

#[test]
fn an_answer_ends_the_row_of_failures() {
    let [a, b] = peers();
    let mut health = Health::default();
    for _ in 0..5 {
        health.failed(a, Trouble::TimedOut, 0, 0);
    }
    health.answered(a);
    health.failed(a, Trouble::TimedOut, 1_000, 0);
    assert_eq!(health.order([a, b], 1_499), [b, a]);
    assert_eq!(health.order([a, b], 1_500), [a, b]);
}

#[test]
fn the_pause_after_the_last_failure_counts() {
    let [a, b] = peers();
    let mut health = Health::default();
    health.failed(a, Trouble::TimedOut, 0, 500);
    health.failed(a, Trouble::TimedOut, 10, 0);
    assert_eq!(health.order([a, b], 1_009), [b, a]);
    assert_eq!(health.order([a, b], 1_010), [a, b]);
}

#[test]
fn a_wait_is_between_half_and_all_of_its_time() {
    for (failures, least_ms, most_ms) in [
        (0, 0, 0),
        (1, 50, 100),
        (2, 100, 200),
        (3, 200, 400),
        (4, 200, 400),
        (32, 200, 400),
        (u32::MAX, 200, 400),
    ] {
        let wait_ms = |random| PATIENCE.backoff.wait_ms(failures, random);
        let span = most_ms - least_ms;
        assert_eq!(wait_ms(0), least_ms, "{failures}");
        assert_eq!(wait_ms(span), most_ms, "{failures}");
        assert_eq!(wait_ms(span + 1), least_ms, "{failures}");
    }
    let odd = Backoff {
        base_ms: 5,
        max_ms: 1_000,
    };
    assert_eq!(
        [0, 1, 2, 3, 4].map(|random| odd.wait_ms(1, random)),
        [2, 3, 4, 5, 2]
    );
    let large = Backoff {
        base_ms: 1,
        max_ms: u64::MAX,
    };
    assert_eq!(large.wait_ms(32, 0), 1 << 30);
    assert_eq!(large.wait_ms(40, 0), 1 << 31);
}
