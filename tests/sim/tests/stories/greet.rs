//! Greetings: what partners hear of each other, and what a peer does before and after.

use kittengrad_node_core::{Delivery, Input, Output, Unverified};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::Item,
    error::ErrorCode,
    identity::Heartbeat,
    link::{Hello, Message},
};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, asked_from, confirmation, fetched, said_to, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    World::new(1, Shape::new(3, 3)).say(&["a work"])
}

fn gap() -> Item {
    Item::Gap {
        incarnation: 0,
        from_height: 0,
    }
}

/// The last hello of a round to a partner.
fn hello<'a>(output: &'a Output, partner: &Partner) -> Option<&'a Hello> {
    let messages = said_to(output, partner).into_iter().rev();
    let mut hellos = messages.filter_map(|message| match message {
        Message::Hello(hello) => Some(&**hello),
        _ => None,
    });
    hellos.next()
}

#[test]
fn partners_hear_that_a_peer_has_settled() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].write(&[gap()]);
    for partner in &partners {
        solo.meet(partner);
    }
    assert!(solo.status().is_open && !solo.status().is_settled);
    // The second partner is not connected any more.
    solo.round(vec![Input::LinkDown(partners[1].key())]);
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert!(solo.status().is_settled);
    assert!(hello(&output, &partners[0]).is_some_and(|hello| hello.is_settled));
    assert!(said_to(&output, &partners[1]).is_empty());
}

#[test]
fn a_partner_without_a_hello_gets_no_more_than_one() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let up = vec![
        Input::LinkDown(partners[0].key()),
        Input::LinkUp(partners[0].key()),
    ];
    let output = solo.round(up);
    assert!(hello(&output, &partners[0]).is_some());
    assert_eq!(asked_from(&output, &partners[0]), None);
    for _ in 0..20 {
        let output = solo.wait(1_000);
        assert!(said_to(&output, &partners[0]).is_empty());
        assert!(!said_to(&output, &partners[1]).is_empty());
    }
}

#[test]
fn the_head_in_a_confirmation_is_shown_to_its_signer() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::All)]);
    partners[0].write(&[gap()]);
    let proofs = partners[0].prove(&publication);
    solo.hear(&partners[0], confirmation(&publication, proofs));
    // A head that is told late is no higher one.
    let first = partners[0].blocks[0].head();
    let late = Heartbeat::sign(partners[0].overlay(), first, 1, &partners[0].signer());
    solo.hear(&partners[0], Message::Alive(late));
    let output = solo.meet(&partners[0]);
    let seen = hello(&output, &partners[0]).unwrap().seen.as_ref();
    let head = partners[0].blocks.last().unwrap().head();
    assert_eq!(seen.map(|seen| seen.head()), Some(head));
}

#[test]
fn a_request_to_a_lost_partner_goes_to_another() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    for partner in &mut partners {
        partner.list(&publication);
    }
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
    solo.hear(&partners[1], partners[1].frames(0));
    let output = solo.round(vec![Input::LinkDown(partners[0].key())]);
    assert_eq!(fetched(&output, &partners[1]), [publication.id()]);
}

#[test]
fn transactions_of_a_former_partner_are_not_missing() {
    let (mut solo, mut partners) = Solo::open(Shape::new(5, 3));
    let mut cluster = World::new(0, Shape::new(5, 3));
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    partners[0].list(&publication);
    solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(solo.status().missing, 1);
    solo.round(vec![Input::View(solo.view_with(&partners[1..]))]);
    assert_eq!(solo.status().missing, 0);
}

#[test]
fn a_coordinator_hears_that_certificates_are_missing() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    let output = solo.round(vec![Input::Verified {
        from: partners[0].key(),
        delivery: Delivery::Push,
        id: publication.id(),
        outcome: Err(Unverified::ChainUnknown),
    }]);
    let refused = said_to(&output, &partners[0]).into_iter().any(|message| {
        matches!(message, Message::PushResult(result)
            if result.outcome.as_ref().is_err_and(|e| e.code == ErrorCode::ChainUnknown))
    });
    assert!(refused, "{output:?}");
}

#[test]
fn a_client_brings_a_transaction_that_a_partner_lists() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    partners[0].list(&publication);
    solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(solo.status().missing, 1);
    let output = solo.round(vec![submit(1, &publication, Ack::One)]);
    assert_eq!(solo.status().missing, 0);
    // A proof in the receipt carries its transaction only if that is another one.
    let receipt = output.replies[0].outcome.as_ref().unwrap().receipt.as_ref();
    let proofs = &receipt.unwrap().confirmations[0].proofs;
    assert!(proofs.iter().all(|proof| proof.transaction.is_none()));
}

#[test]
fn a_hello_tells_the_head_the_ring_the_time_and_the_phase() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    let Message::Hello(theirs) = partners[0].hello(None) else {
        unreachable!("a hello is a hello")
    };
    let greeting = |solo: &mut Solo| {
        let output = solo.round(vec![Input::LinkUp(partners[0].key())]);
        hello(&output, &partners[0]).unwrap().clone()
    };
    let told = greeting(&mut solo);
    assert_eq!(
        (told.head, told.is_open, told.is_settled),
        (None, false, false)
    );
    assert_eq!((told.ring, told.time_ms), (theirs.ring, theirs.time_ms));
    assert_eq!((told.identity.key, told.seen), (solo.key(), None));
    solo.meet(&partners[0]);
    let output = solo.meet(&partners[1]);
    let head = solo.status().tip.map(|tip| tip.head);
    for partner in &partners {
        let told = hello(&output, partner).unwrap();
        assert_eq!(
            (told.head, told.is_open, told.is_settled),
            (head, true, true)
        );
    }
    // Until it is open again, its head is the one on disk.
    solo.restart();
    solo.pass(5_000);
    let told = greeting(&mut solo);
    assert_eq!((told.head, told.is_open), (head, false));
    assert_eq!(told.time_ms, theirs.time_ms + 5_000);
}

#[test]
fn a_heartbeat_tells_the_head_at_each_tick_once_there_is_one() {
    let beats = |output: &Output, partner: &Partner| -> Vec<Heartbeat> {
        let messages = said_to(output, partner).into_iter();
        let beats = messages.filter_map(|message| match message {
            Message::Alive(heartbeat) => Some(heartbeat.clone()),
            _ => None,
        });
        beats.collect()
    };
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    solo.meet(&partners[0]);
    assert!(
        beats(&solo.wait(1_000), &partners[0]).is_empty(),
        "no block"
    );
    solo.meet(&partners[1]);
    let head = solo.status().tip.unwrap().head;
    let start_ms = hello(&solo.meet(&partners[0]), &partners[0])
        .unwrap()
        .time_ms;
    let output = solo.wait(1_000);
    for partner in &partners {
        let [beat] = &beats(&output, partner)[..] else {
            panic!("one heartbeat")
        };
        let time_ms = start_ms + 1_000;
        assert_eq!(
            (beat.peer, beat.head, beat.time_ms),
            (solo.key(), head, time_ms)
        );
    }
    let output = solo.round(Vec::new());
    assert!(beats(&output, &partners[0]).is_empty(), "no tick");
}

#[test]
fn an_open_partner_that_fills_is_not_settled() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    solo.round(vec![Input::LinkUp(partners[0].key())]);
    for (is_open, is_settled) in [(false, false), (true, false), (true, true)] {
        let told = partners[0].hello_with(|hello| {
            (hello.is_open, hello.is_settled) = (is_open, is_settled);
        });
        solo.hear(&partners[0], told);
        let of = solo.status_of(&partners[0]);
        assert_eq!(
            (of.is_up, of.is_open, of.is_settled),
            (true, is_open, is_settled)
        );
    }
}
