//! Complaints: the rule that a partner broke is named, with the partner and without any other.

use kittengrad_journal::FollowError;
use kittengrad_node_core::{Delivery, Event, Input, Misbehaviour, Unverified};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Bitmap, Block, Cells, Head, Item},
    id::Id,
    identity::Heartbeat,
    link::Message,
    receipt::ReceiptError,
    signed_head::SignedHead,
};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, confirmation, fetched, forged, frames, proof_of, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    World::new(1, Shape::new(3, 3)).say(&["a work", "another work"])
}

fn gap(height: u64) -> Item {
    Item::Gap {
        incarnation: 0,
        from_height: height,
    }
}

/// The rules that a partner broke, in order.
fn broken(solo: &Solo, by: &Partner) -> Vec<Misbehaviour> {
    let told = solo.told.iter().filter_map(|told| match told {
        Event::Misbehaved { peer, what } if *peer == by.key() => Some(what.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_hello_that_is_not_its_senders_is_named() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let foreign = partners[0].hello_with(|hello| hello.ring = Id::ZERO);
    for hello in [foreign, partners[1].hello(None)] {
        solo.hear(&partners[0], hello);
    }
    let expected = [Misbehaviour::ForeignHello, Misbehaviour::ForeignHello];
    assert_eq!(broken(&solo, &partners[0]), expected);
    assert!(broken(&solo, &partners[1]).is_empty());
}

#[test]
fn heads_and_heartbeats_with_a_wrong_signature_are_named() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let head = Head {
        incarnation: 1,
        height: 9,
        hash: Id::ZERO,
    };
    let overlay = partners[0].overlay();
    let own = Heartbeat::sign(overlay, head, 1, &partners[0].signer());
    let invented = SignedHead::Heartbeat(Box::new(own.clone()));
    solo.hear(&partners[0], partners[0].hello(Some(invented)));
    let forged = Heartbeat::from_wire(Some(forged(own.signed())), overlay).unwrap();
    solo.hear(&partners[0], Message::Alive(forged));
    // A correct heartbeat of one partner that another one sends.
    solo.hear(&partners[1], Message::Alive(own));
    let expected = [Misbehaviour::InventedHead, Misbehaviour::ForeignHeartbeat];
    assert_eq!(broken(&solo, &partners[0]), expected);
    let expected = [Misbehaviour::ForeignHeartbeat];
    assert_eq!(broken(&solo, &partners[1]), expected);
}

#[test]
fn the_fault_of_a_journal_is_named_and_ends_the_reading() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    partners[0].write(&[gap(0)]);
    partners[0].write(&[gap(1)]);
    let first = partners[0].blocks[0].clone();
    // The second block names an earlier time than the first.
    let early = partners[0].next(&[gap(2)], 0);
    let all = [first.clone(), partners[0].blocks[1].clone(), early];
    let last = all.last().map(Block::head);
    solo.hear(&partners[0], frames(&all, all.last()));
    let fault = FollowError::TimeWentBack {
        height: 2,
        back_ms: 1,
    };
    let expected = [Misbehaviour::Journal(fault)];
    assert_eq!(broken(&solo, &partners[0]), expected);
    let of = solo.status_of(&partners[0]);
    assert_eq!(of.applied, Some(all[1].head()), "{last:?} is not read");
    assert_eq!(of.head, Some(all[1].head()));

    // After a faulty block, the rest of the message is not read either.
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let other = partners[1].next(&[gap(0)], 1);
    solo.hear(&partners[0], frames(&[other, first.clone()], None));
    assert_eq!(solo.complaints(&partners[0]), 1);
    assert_eq!(solo.status_of(&partners[0]).applied, None);
}

#[test]
fn a_wrong_confirmation_is_named_after_its_fault() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    solo.hear(&partners[0], confirmation(&publication, Vec::new()));
    let expected = [Misbehaviour::ConfirmsPart];
    assert_eq!(broken(&solo, &partners[0]), expected);
    // The proof is another member's.
    let stolen = partners[0].confirm(&publication);
    solo.hear(&partners[1], stolen.clone());
    let [Misbehaviour::Proof(ReceiptError::Proof { peer, .. })] = broken(&solo, &partners[1])[..]
    else {
        panic!("{:?}", solo.told)
    };
    assert_eq!(peer, partners[1].key());
    // It is the first one's, from which it counts.
    let output = solo.hear(&partners[0], stolen);
    assert_eq!(broken(&solo, &partners[0]), expected);
    assert_eq!(output.replies.len(), 1);
}

#[test]
fn a_proof_of_one_element_does_not_confirm_another() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    partners[0].write(&[Item::Transaction {
        id: publication.id(),
        bitmap: Bitmap::new([true, false]),
        cells: Cells::new([true]),
    }]);
    let block = partners[0].blocks[0].clone();
    let proof = proof_of(&block);
    let output = solo.hear(&partners[0], confirmation(&publication, vec![proof]));
    assert!(output.replies.is_empty());
    let expected = [Misbehaviour::ConfirmsPart];
    assert_eq!(broken(&solo, &partners[0]), expected);
    // The head in it was seen all the same.
    assert_eq!(solo.status_of(&partners[0]).head, Some(block.head()));
}

#[test]
fn a_stranger_to_a_transaction_is_named_when_it_confirms() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    let (mut solo, mut partners) = Solo::open(shape);
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    // Partner `n` is member `n + 1`, and the second partner holds nothing of it.
    let confirmed = partners[1].confirm(&publication);
    solo.hear(&partners[1], confirmed.clone());
    let expected = [Misbehaviour::ConfirmsUnheld];
    assert_eq!(broken(&solo, &partners[1]), expected);
    // A confirmation of what nobody waits for is no fault.
    solo.wait(10_000);
    solo.hear(&partners[1], confirmed);
    assert_eq!(broken(&solo, &partners[1]), expected);
}

#[test]
fn an_invalid_body_is_named_with_its_sender_and_the_reason() {
    for sources in 1..=2 {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        let publication = publication();
        for partner in &mut partners[..sources] {
            partner.list(&publication);
        }
        let output = solo.hear(&partners[0], partners[0].frames(0));
        assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
        if sources == 2 {
            solo.hear(&partners[1], partners[1].frames(0));
        }
        let (from, id) = (partners[0].key(), publication.id());
        let delivered = Input::Bodies {
            from,
            delivered: vec![id],
            missing: Vec::new(),
        };
        let refused = Input::Verified {
            from,
            delivery: Delivery::Body,
            id,
            outcome: Err(Unverified::Refused("it is not signed".to_owned())),
        };
        let before = solo.told.len();
        solo.round(vec![delivered, refused]);
        let told = &solo.told[before..];
        let why = "it is not signed".to_owned();
        let invalid = Event::Invalid {
            peer: from,
            id,
            why,
        };
        // Without another source it is unavailable too.
        match sources {
            1 => assert_eq!(told, [Event::Unavailable(id), invalid]),
            _ => assert_eq!(told, [invalid]),
        }
    }
}
