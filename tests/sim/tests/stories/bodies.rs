//! Bodies and confirmations of partners: a wrong one harms only its sender.

use kittengrad_journal::ElementStore as _;
use kittengrad_node_core::{Delivery, Event, Input, Unverified};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::Item,
    link::{Message, PushResult},
    signed::{Kind, Signed},
};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Solo, asked_from, fetched, said_to, submit},
};

/// A transaction in a three-member network.
fn publication(number: u64) -> Publication {
    let mut cluster = World::new(number, Shape::new(3, 3));
    cluster.say(&[&format!("work {number}")])
}

#[test]
fn a_body_that_no_replica_admits_is_fetched_of_another_holder() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(1);
    for partner in &mut partners {
        partner.list(&publication);
    }
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
    solo.hear(&partners[1], partners[1].frames(0));
    // The same id with another signature, because the id does not cover the signature.
    let mut forged = publication.clone();
    let transaction = &publication.submission.transaction;
    let signed = Signed::new(
        Kind::Transaction,
        transaction.signed().body().clone(),
        &partners[0].signer(),
    );
    let overlay = partners[0].overlay();
    let transaction =
        kittengrad_proto::transaction::Transaction::from_wire(Some(signed.to_wire()), overlay);
    forged.submission.transaction = transaction.unwrap().into();
    assert_eq!(forged.id(), publication.id());
    let output = solo.deliver(&partners[0], Delivery::Body, &forged);
    assert!(
        solo.told
            .iter()
            .any(|told| matches!(told, Event::Invalid { .. }))
    );
    assert_eq!(fetched(&output, &partners[1]), [publication.id()]);
    solo.deliver(&partners[1], Delivery::Body, &publication);
    assert_eq!(solo.status().missing, 0);
    assert_eq!(
        solo.disk().contains(&publication.elements()).unwrap(),
        [true]
    );
    // The core no longer believes the liar's lists, even if the liar announces more.
    let applied = solo.status_of(&partners[0]).applied;
    let height = partners[0].blocks.len() as u64;
    partners[0].write(&[Item::Gap {
        incarnation: 0,
        from_height: height,
    }]);
    for message in [partners[0].hello(None), partners[0].frames(height)] {
        let output = solo.hear(&partners[0], message);
        assert_eq!(asked_from(&output, &partners[0]), None);
    }
    assert_eq!(asked_from(&solo.wait(60_000), &partners[0]), None);
    assert_eq!(solo.status_of(&partners[0]).applied, applied);
}

#[test]
fn what_nobody_can_show_is_told_and_taken_when_somebody_can() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(2);
    partners[0].list(&publication);
    solo.hear(&partners[0], partners[0].frames(0));
    let missing = Input::Bodies {
        from: partners[0].key(),
        delivered: Vec::new(),
        missing: vec![publication.id()],
    };
    let output = solo.round(vec![missing]);
    assert_eq!(
        solo.told.last(),
        Some(&Event::Unavailable(publication.id()))
    );
    assert!(fetched(&output, &partners[0]).is_empty());
    assert_eq!(solo.status().missing, 1);
    partners[1].list(&publication);
    let output = solo.hear(&partners[1], partners[1].frames(0));
    assert_eq!(fetched(&output, &partners[1]), [publication.id()]);
    solo.deliver(&partners[1], Delivery::Body, &publication);
    assert_eq!(solo.status().missing, 0);
}

#[test]
fn holder_that_does_not_answer_a_fetch_is_passed_over() {
    // Either of the two may be silent, because the order of keys does not decide.
    for (silent, other) in [(1, 0), (0, 1)] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        let publication = publication(3);
        for partner in &mut partners {
            partner.list(&publication);
        }
        let output = solo.hear(&partners[silent], partners[silent].frames(0));
        assert_eq!(fetched(&output, &partners[silent]), [publication.id()]);
        solo.hear(&partners[other], partners[other].frames(0));
        assert!(fetched(&solo.wait(1_000), &partners[other]).is_empty());
        assert_eq!(
            fetched(&solo.wait(5_000), &partners[other]),
            [publication.id()]
        );
    }
}

#[test]
fn what_two_journals_list_is_fetched_at_the_earlier_time() {
    let publication = publication(3);
    for order in [[0, 1], [1, 0]] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        // The first journal is read live, so its transactions are probably pushed as well. The other journal is not.
        partners[0].write(&[Item::Gap {
            incarnation: 0,
            from_height: 0,
        }]);
        solo.hear(&partners[0], partners[0].frames(0));
        for partner in &mut partners {
            partner.list(&publication);
        }
        let frames = [partners[0].frames(1), partners[1].frames(0)];
        let hear = |of: usize| Input::Message(partners[of].key(), frames[of].clone());
        let output = solo.round(order.map(hear).to_vec());
        let asked = partners.iter().map(|partner| fetched(&output, partner));
        assert_eq!(asked.collect::<Vec<_>>().concat(), [publication.id()]);
    }
    // A transaction that only the first journal lists is fetched later.
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    partners[0].write(&[Item::Gap {
        incarnation: 0,
        from_height: 0,
    }]);
    solo.hear(&partners[0], partners[0].frames(0));
    partners[0].list(&publication);
    let output = solo.hear(&partners[0], partners[0].frames(1));
    assert!(fetched(&output, &partners[0]).is_empty());
    assert_eq!(fetched(&solo.wait(500), &partners[0]), [publication.id()]);
}

#[test]
fn a_holder_that_answers_a_fetch_with_nothing_is_given_time() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(3);
    for partner in &mut partners {
        partner.list(&publication);
        solo.hear(partner, partner.frames(0));
    }
    solo.wait(1_000);
    assert_eq!(fetched(&solo.wait(5_000), &partners[1]), [publication.id()]);
    // An answer without any body does not lead to a new question at once.
    let nothing = Input::Bodies {
        from: partners[1].key(),
        delivered: Vec::new(),
        missing: Vec::new(),
    };
    let output = solo.round(vec![nothing]);
    assert!(fetched(&output, &partners[0]).is_empty() && fetched(&output, &partners[1]).is_empty());
    let output = solo.wait(5_000);
    assert_eq!(
        fetched(&output, &partners[0]).len() + fetched(&output, &partners[1]).len(),
        1
    );
}

#[test]
fn bodies_that_nobody_asked_for_hold_up_no_fetch() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(4);
    let claim = Input::Bodies {
        from: partners[1].key(),
        delivered: vec![publication.id()],
        missing: vec![publication.id()],
    };
    solo.round(vec![claim.clone()]);
    partners[0].list(&publication);
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
    solo.round(vec![claim]);
    solo.deliver(&partners[0], Delivery::Body, &publication);
    assert_eq!(solo.status().missing, 0);
}

#[test]
fn a_confirmation_that_proves_nothing_does_not_count() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(5);
    let output = solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    assert!(output.replies.is_empty());
    let pushes = said_to(&output, &partners[0]);
    assert!(
        pushes
            .iter()
            .any(|message| matches!(message, Message::Push(_)))
    );
    let own = output.sends.iter().find_map(|send| match &send.message {
        Message::Frames(frames) => frames.blocks.first().cloned(),
        _ => None,
    });
    // An empty proof, and the proof of another peer.
    let nothing = PushResult {
        id: publication.id(),
        outcome: Ok(Vec::new()),
    };
    let output = solo.hear(&partners[0], Message::PushResult(nothing));
    assert!(output.replies.is_empty());
    assert_eq!(solo.complaints(&partners[0]), 1);
    assert!(own.is_none(), "nobody follows this journal");
    let proofs = kittengrad_journal::prove(
        solo.disk(),
        partners[0].overlay(),
        &publication.id(),
        publication.elements(),
    );
    let stolen = PushResult {
        id: publication.id(),
        outcome: Ok(proofs.unwrap()),
    };
    let output = solo.hear(&partners[1], Message::PushResult(stolen));
    assert!(output.replies.is_empty());
    assert_eq!(solo.complaints(&partners[1]), 1);
    // The request times out with only this peer's own disk.
    let output = solo.wait(10_000);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert!(!submitted.is_acknowledged);
    assert_eq!(submitted.synced, [solo.key()]);
}

#[test]
fn a_body_that_cannot_be_verified_yet_is_fetched_again() {
    // The certificates are unknown, or this peer itself fails. The sender is not to blame.
    let failed = Unverified::Failed("the disk does not answer".to_owned());
    for why in [Unverified::ChainUnknown, failed] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        let publication = publication(6);
        partners[0].list(&publication);
        solo.hear(&partners[0], partners[0].frames(0));
        let unverified = Input::Verified {
            from: partners[0].key(),
            delivery: Delivery::Body,
            id: publication.id(),
            outcome: Err(why.clone()),
        };
        let delivered = Input::Bodies {
            from: partners[0].key(),
            delivered: vec![publication.id()],
            missing: Vec::new(),
        };
        solo.round(vec![delivered, unverified]);
        assert_eq!(solo.status().missing, 1);
        assert_eq!(solo.complaints(&partners[0]), 0, "{why:?}");
        let again = solo.wait(5_000);
        assert_eq!(fetched(&again, &partners[0]), [publication.id()]);
        solo.deliver(&partners[0], Delivery::Body, &publication);
        assert_eq!(solo.status().missing, 0);
    }
}

#[test]
fn what_a_partner_does_not_hold_is_missing_to_it() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    let (mut solo, partners) = Solo::open(shape);
    solo.round(vec![submit(1, &publication, Ack::One)]);
    // Partner `n` is member `n + 1`. The first partner holds the transaction, the second does not.
    for (partner, holds) in [(&partners[0], true), (&partners[1], false)] {
        let member = if holds { 1 } else { 2 };
        assert_eq!(cluster.replicas(&name).contains(&member), holds);
        let output = solo.hear(partner, Message::Fetch(vec![publication.id()]));
        let [Message::Bodies { bodies, missing }] = said_to(&output, partner)[..] else {
            panic!("one answer");
        };
        let bodies: Vec<_> = bodies
            .iter()
            .map(|body| (body.transaction.id(), body.records.len()))
            .collect();
        match holds {
            true => assert_eq!(
                (&bodies[..], missing.len()),
                (&[(publication.id(), 2)][..], 0)
            ),
            false => assert_eq!((bodies.len(), &missing[..]), (0, &[publication.id()][..])),
        }
    }
}
