//! Missing transactions: when each is fetched, from whom, and how many at once.

use kittengrad_proto::{
    id::{Id, PublicKey},
    limits::FETCH_MAX,
};

use crate::catch_up::wants::Wants;

const FIRST: PublicKey = PublicKey::new([1; 32]);
const SECOND: PublicKey = PublicKey::new([2; 32]);
const PATIENCE_MS: u64 = 100;
/// Fetched transactions that are being verified, at most.
const DELIVERED_MAX: usize = 4 * FETCH_MAX;

fn id(number: usize) -> Id {
    Id::of(&[&number.to_be_bytes()])
}

fn ids(count: usize) -> Vec<Id> {
    (0..count).map(id).collect()
}

/// Wants that these partners list and that can be fetched at once.
fn wanted(count: usize, sources: &[PublicKey]) -> Wants {
    let mut wants = Wants::default();
    for id in ids(count) {
        for source in sources {
            wants.add(id, *source, 0);
        }
    }
    wants
}

/// The partners that one transaction is fetched from.
fn asked(wants: &mut Wants, now_ms: u64) -> Vec<PublicKey> {
    let fetches = wants.due(now_ms, PATIENCE_MS).into_iter();
    fetches.map(|(partner, _)| partner).collect()
}

#[test]
fn a_fetch_is_limited_and_in_the_order_of_the_listings() {
    let all = ids(FETCH_MAX + 2);
    let mut wants = wanted(all.len(), &[FIRST]);
    let (now, later) = all.split_at(FETCH_MAX);
    assert_eq!(wants.len(), all.len());
    assert_eq!(wants.due(0, PATIENCE_MS), [(FIRST, now.to_vec())]);
    assert!(wants.due(0, PATIENCE_MS).is_empty(), "one at a time");
    wants.answered(FIRST, now, &[], PATIENCE_MS);
    assert_eq!(wants.due(0, PATIENCE_MS), [(FIRST, later.to_vec())]);
}

#[test]
fn fetches_end_at_the_limit_of_unverified_bodies() {
    let mut wants = wanted(DELIVERED_MAX + 2, &[FIRST]);
    let mut delivered = Vec::new();
    while delivered.len() < DELIVERED_MAX {
        let [(_, fetched)] = &wants.due(0, PATIENCE_MS)[..] else {
            panic!("{} are delivered", delivered.len())
        };
        wants.answered(FIRST, fetched, &[], PATIENCE_MS);
        delivered.extend(fetched.clone());
    }
    assert_eq!(delivered.len(), DELIVERED_MAX);
    assert!(wants.due(0, PATIENCE_MS).is_empty());
    wants.resolve(&delivered[0]);
    assert_eq!(wants.due(0, PATIENCE_MS).len(), 1);
}

#[test]
fn a_transaction_is_fetched_when_its_time_comes_and_not_before() {
    let mut wants = Wants::default();
    wants.add(id(0), FIRST, 50);
    wants.add(id(0), FIRST, 70);
    assert!(asked(&mut wants, 49).is_empty());
    assert_eq!(asked(&mut wants, 50), [FIRST]);
    // The only partner is asked again when its time is over.
    assert!(asked(&mut wants, 149).is_empty());
    assert_eq!(asked(&mut wants, 150), [FIRST]);
}

#[test]
fn an_unanswered_fetch_goes_to_another_partner_next() {
    let mut wants = wanted(1, &[FIRST, SECOND]);
    let first = asked(&mut wants, 0);
    assert_eq!(first.len(), 1, "of one partner at a time");
    assert!(asked(&mut wants, PATIENCE_MS - 1).is_empty());
    let second = asked(&mut wants, PATIENCE_MS);
    assert_eq!((second.len(), first == second), (1, false));
    // Then the second one is the slow one.
    assert_eq!(asked(&mut wants, 2 * PATIENCE_MS), first);
}

#[test]
fn a_body_that_is_not_verified_in_time_is_fetched_again() {
    let mut wants = wanted(1, &[FIRST]);
    assert_eq!(asked(&mut wants, 0), [FIRST]);
    wants.answered(FIRST, &ids(1), &[], 300);
    assert!(asked(&mut wants, 299).is_empty());
    assert_eq!(asked(&mut wants, 300), [FIRST]);
}

#[test]
fn bodies_that_did_not_fit_an_answer_are_fetched_at_once() {
    for (delivered, missing) in [(vec![id(0)], vec![]), (vec![], vec![id(0)])] {
        let mut wants = wanted(3, &[FIRST]);
        wants.due(0, PATIENCE_MS);
        wants.answered(FIRST, &delivered, &missing, PATIENCE_MS);
        let rest = vec![id(1), id(2)];
        assert_eq!(wants.due(0, PATIENCE_MS), [(FIRST, rest)]);
    }
}

#[test]
fn an_answer_with_nothing_that_was_asked_for_defers_all() {
    for delivered in [vec![], vec![id(7)]] {
        let mut wants = wanted(1, &[FIRST, SECOND]);
        let first = asked(&mut wants, 0)[0];
        wants.answered(first, &delivered, &delivered, 80);
        assert!(asked(&mut wants, 79).is_empty());
        assert_eq!(asked(&mut wants, 80).len(), 1);
    }
}

#[test]
fn an_answer_counts_only_for_what_its_sender_was_asked() {
    let mut wants = wanted(1, &[FIRST, SECOND]);
    let first = asked(&mut wants, 0)[0];
    let other = if first == FIRST { SECOND } else { FIRST };
    let unavailable = wants.answered(other, &[], &ids(1), 80);
    assert!(unavailable.is_empty());
    assert!(asked(&mut wants, 80).is_empty(), "the first still has time");
    assert!(wants.answered(first, &[], &ids(1), 80).is_empty());
    assert_eq!(asked(&mut wants, 80), [other]);
    assert_eq!(wants.answered(other, &[], &ids(1), 90), ids(1));
    assert!(asked(&mut wants, 900).is_empty(), "nobody has it");
}

#[test]
fn a_transaction_that_no_source_can_send_is_unavailable_once() {
    let mut wants = wanted(1, &[FIRST, SECOND]);
    let stranger = PublicKey::new([3; 32]);
    for (source, is_unavailable) in [
        (stranger, false),
        (FIRST, false),
        (FIRST, false),
        (SECOND, true),
        (SECOND, false),
    ] {
        assert_eq!(wants.mark_unable(&id(0), &source), is_unavailable);
    }
    assert_eq!(wants.len(), 1);
    // Another source can be asked.
    wants.add(id(0), stranger, 0);
    assert_eq!(asked(&mut wants, 0), [stranger]);
    assert!(!wants.mark_unable(&id(7), &FIRST), "it is not wanted");
}

#[test]
fn a_dropped_source_is_not_asked_and_its_fetch_goes_to_others() {
    let mut wants = wanted(1, &[FIRST, SECOND]);
    let first = asked(&mut wants, 0)[0];
    let other = if first == FIRST { SECOND } else { FIRST };
    wants.drop_source(&id(0), &first);
    assert_eq!(asked(&mut wants, 0), [other]);
    // The drop of a source that was not asked changes nothing for the one that was.
    wants.add(id(0), first, 0);
    wants.drop_source(&id(0), &first);
    assert!(asked(&mut wants, PATIENCE_MS - 1).is_empty());
    assert_eq!(wants.len(), 1);
    wants.drop_source(&id(0), &other);
    assert_eq!(wants.len(), 0);
    assert!(asked(&mut wants, 9 * PATIENCE_MS).is_empty());
}

#[test]
fn a_source_that_is_dropped_and_lists_again_can_be_asked_again() {
    let mut wants = wanted(1, &[FIRST, SECOND]);
    wants.mark_unable(&id(0), &FIRST);
    wants.mark_unable(&id(0), &SECOND);
    assert!(asked(&mut wants, 0).is_empty());
    wants.drop_source(&id(0), &FIRST);
    wants.add(id(0), FIRST, 0);
    assert_eq!(asked(&mut wants, 0), [FIRST]);
}

#[test]
fn only_a_delivered_transaction_is_retried() {
    let mut wants = wanted(1, &[FIRST]);
    wants.retry(&id(0));
    assert_eq!(asked(&mut wants, 0), [FIRST]);
    wants.retry(&id(0));
    assert!(asked(&mut wants, PATIENCE_MS - 1).is_empty(), "it is asked");
    wants.answered(FIRST, &ids(1), &[], 300);
    wants.retry(&id(0));
    assert_eq!(asked(&mut wants, 0), [FIRST]);
}

#[test]
fn a_lost_partner_is_no_source_of_anything() {
    let mut wants = wanted(3, &[FIRST]);
    wants.add(id(1), SECOND, 0);
    assert_eq!(asked(&mut wants, 0), [FIRST]);
    wants.lost(FIRST);
    assert_eq!(wants.len(), 1);
    assert_eq!(asked(&mut wants, 0), [SECOND]);
    // Nothing of the fetch before is left when it returns.
    wants.add(id(5), FIRST, 0);
    assert_eq!(wants.due(0, PATIENCE_MS), [(FIRST, vec![id(5)])]);
}
