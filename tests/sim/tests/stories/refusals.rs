//! Refusals: a client or coordinator hears why a peer does not take a transaction, and nothing of it is written.

use kittengrad_node_core::{Delivery, Input, Output, Refusal, Unverified};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    error::ErrorCode,
    link::{Message, PushRefusal, PushResult},
};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, fetched, pushed, said_to, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    World::new(1, Shape::new(3, 3)).say(&["a work"])
}

/// The transaction without one of its records.
fn incomplete(publication: &Publication) -> Publication {
    let mut incomplete = publication.clone();
    incomplete.submission.records.pop_last();
    incomplete
}

/// The refusal of a client's submission.
fn refused(output: &Output) -> Refusal {
    let [reply] = &output.replies[..] else {
        panic!("{output:?}")
    };
    reply.outcome.clone().unwrap_err()
}

/// The refusal of a push.
fn push_refused(output: &Output, coordinator: &Partner) -> Option<PushRefusal> {
    let messages = said_to(output, coordinator).into_iter();
    let mut refusals = messages.filter_map(|message| match message {
        Message::PushResult(result) => Some(result.outcome.clone().unwrap_err()),
        _ => None,
    });
    refusals.next()
}

/// The outcome of a verification, as a push of a partner.
fn verified(from: &Partner, of: &Publication, outcome: Result<(), Unverified>) -> Input {
    Input::Verified {
        from: from.key(),
        delivery: Delivery::Push,
        id: of.id(),
        outcome: outcome.map(|()| (of.submission.clone(), of.chain.clone())),
    }
}

#[test]
fn a_peer_that_starts_says_how_many_partners_it_waits_for() {
    let publication = publication();
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    for (answered, partner) in partners.iter().enumerate() {
        let why = format!("{answered} of 2 partners told which of its heads they saw");
        let output = solo.round(vec![submit(1, &publication, Ack::One)]);
        assert_eq!(refused(&output), Refusal::Starting(why.clone()));
        let output = solo.round(vec![verified(partner, &publication, Ok(()))]);
        let expected = PushRefusal::new(ErrorCode::Starting, why);
        assert_eq!(push_refused(&output, partner), Some(expected));
        solo.meet(partner);
    }
    let output = solo.round(vec![submit(1, &publication, Ack::One)]);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert_eq!(submitted.added.count(), 1, "nothing was written before");
}

#[test]
fn a_peer_that_starts_with_a_wrong_clock_says_so() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    for partner in &partners {
        solo.round(vec![Input::LinkUp(partner.key())]);
        let ahead = partner.hello_with(|hello| hello.time_ms += 3_600_000);
        solo.hear(partner, ahead);
    }
    assert!(!solo.status().is_open);
    assert_eq!(solo.status().clock_behind_ms, 3_600_000);
    let output = solo.round(vec![submit(1, &publication(), Ack::One)]);
    let why = solo.status().why_clock.unwrap();
    assert_eq!(refused(&output), Refusal::Starting(why));
}

#[test]
fn a_coordinator_hears_why_its_push_is_refused() {
    let publication = publication();
    let (forged, failed) = ("it is forged", "the disk does not answer");
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    for (unverified, code, why) in [
        (
            Unverified::Refused(forged.to_owned()),
            ErrorCode::Invalid,
            forged,
        ),
        (
            Unverified::Failed(failed.to_owned()),
            ErrorCode::Internal,
            failed,
        ),
    ] {
        let output = solo.round(vec![verified(&partners[0], &publication, Err(unverified))]);
        let expected = PushRefusal::new(code, why);
        assert_eq!(push_refused(&output, &partners[0]), Some(expected));
        assert_eq!(push_refused(&output, &partners[1]), None);
    }
    let part = incomplete(&publication);
    let output = solo.round(vec![verified(&partners[0], &part, Ok(()))]);
    let refusal = push_refused(&output, &partners[0]).unwrap();
    assert_eq!(refusal.code, ErrorCode::Invalid);
    assert!(refusal.message.contains("missing"), "{refusal}");
    solo.round(vec![Input::Space(false)]);
    let output = solo.round(vec![verified(&partners[0], &publication, Ok(()))]);
    let full = PushRefusal::new(ErrorCode::DiskFull, Refusal::DiskFull.to_string());
    assert_eq!(push_refused(&output, &partners[0]), Some(full));
    solo.round(vec![Input::Space(true)]);
    for partner in &partners {
        solo.hear(
            partner,
            partner.hello_with(|hello| hello.time_ms += 3_600_000),
        );
    }
    let output = solo.round(vec![verified(&partners[0], &publication, Ok(()))]);
    let wrong = PushRefusal::new(ErrorCode::Starting, solo.status().why_clock.unwrap());
    assert_eq!(push_refused(&output, &partners[0]), Some(wrong));
}

#[test]
fn a_submission_without_all_records_does_not_wait() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    let part = incomplete(&publication);
    let output = solo.round(vec![submit(1, &part, Ack::Quorum)]);
    assert!(matches!(refused(&output), Refusal::Internal(_)));
    assert!(pushed(&output, &partners[0]).is_empty() && output.writes.is_empty());
    assert_eq!((solo.status().waiting, solo.status().waiting_bytes), (0, 0));
    let output = solo.round(vec![submit(2, &publication, Ack::Quorum)]);
    assert_eq!(pushed(&output, &partners[0]).len(), 1);
    let bytes = publication.submission.size_bytes();
    assert_eq!(
        (solo.status().waiting, solo.status().waiting_bytes),
        (1, bytes)
    );
}

#[test]
fn a_replica_that_refuses_a_push_is_left_alone() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    let refusal = PushResult {
        id: publication.id(),
        outcome: Err(PushRefusal::new(ErrorCode::DiskFull, "its disk is full")),
    };
    let output = solo.hear(&partners[0], Message::PushResult(refusal));
    assert!(pushed(&output, &partners[0]).is_empty() && output.replies.is_empty());
    assert_eq!(
        (solo.complaints(&partners[0]), solo.status().waiting),
        (0, 1)
    );
    let confirmed = partners[1].confirm(&publication);
    let output = solo.hear(&partners[1], confirmed);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert_eq!(submitted.synced, [solo.key(), partners[1].key()]);
}

#[test]
fn nothing_is_fetched_before_the_start_or_by_a_wrong_clock() {
    let publication = publication();
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].list(&publication);
    solo.meet(&partners[0]);
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(solo.status().missing, 1);
    assert!(fetched(&output, &partners[0]).is_empty());
    // A body that comes all the same is not taken, and its sender is not to blame.
    solo.deliver(&partners[0], Delivery::Body, &publication);
    assert_eq!(
        (solo.status().missing, solo.complaints(&partners[0])),
        (1, 0)
    );
    let output = solo.meet(&partners[1]);
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);

    let (mut solo, partners) = (Solo::open(Shape::new(3, 3)).0, partners);
    let hour_ahead = |partner: &Partner| partner.hello_with(|hello| hello.time_ms += 3_600_000);
    for partner in &partners {
        solo.hear(partner, hour_ahead(partner));
    }
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(solo.status().missing, 1);
    assert!(fetched(&output, &partners[0]).is_empty());
    let output = solo.hear(&partners[0], partners[0].hello(None));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
}
