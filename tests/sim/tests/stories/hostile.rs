//! Partners that lie, forge and send garbage: the core reports and ignores them, and no other partner is harmed.

use kittengrad_journal::BlockStore as _;
use kittengrad_node_core::{Fatal, Input};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Head, Item},
    id::Id,
    identity::Heartbeat,
    link::Message,
    signed_head::SignedHead,
};

use kittengrad_sim::{
    About, Shape, World,
    story::solo::{Partner, Solo, asked_from, forged, frames, said_to, submit},
};

fn gap(height: u64) -> Item {
    Item::Gap {
        incarnation: 0,
        from_height: height,
    }
}

/// A core that reads the first partner's journal live, after two blocks.
fn reading() -> (Solo, Vec<Partner>) {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].write(&[gap(0)]);
    partners[0].write(&[gap(1)]);
    solo.meet(&partners[1]);
    assert_eq!(asked_from(&solo.meet(&partners[0]), &partners[0]), Some(0));
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(asked_from(&output, &partners[0]), None);
    (solo, partners)
}

/// Checks that a core complains about `message`, and reads nothing more from the sender until they meet again.
fn check_quarantine(mut solo: Solo, partner: &mut Partner, message: Message) {
    solo.hear(partner, message);
    assert_eq!(solo.complaints(partner), 1);
    let height = partner.blocks.len() as u64;
    partner.write(&[gap(height)]);
    assert_eq!(
        asked_from(&solo.hear(partner, partner.frames(height)), partner),
        None
    );
    assert_eq!(asked_from(&solo.wait(60_000), partner), None);
    assert_eq!(
        solo.status()
            .partners
            .iter()
            .filter(|(_, of)| of.is_up)
            .count(),
        2
    );
    assert_eq!(asked_from(&solo.meet(partner), partner), Some(2));
}

#[test]
fn a_forged_block_ends_the_reading_of_a_journal() {
    let (solo, mut partners) = reading();
    let mut forged = partners[0].next(&[gap(2)], 1);
    let other = partners[1].next(&[gap(2)], 1);
    // The header of one peer with the signature of another.
    let wire = kittengrad_proto::wire::Signed {
        body: forged.header.signed().body().clone(),
        signature: other.header.signed().to_wire().signature,
    };
    forged.header =
        kittengrad_proto::block::Header::from_wire(Some(wire), partners[0].overlay()).unwrap();
    let message = frames(std::slice::from_ref(&forged), Some(&forged));
    check_quarantine(solo, &mut partners[0], message);
}

#[test]
fn two_blocks_for_one_height_end_the_reading_of_a_journal() {
    let (solo, mut partners) = reading();
    let last = partners[0].blocks.pop().unwrap();
    let second = partners[0].next(&[gap(1)], 2);
    partners[0].blocks.push(last);
    assert_eq!(second.header.height, 1);
    let message = frames(std::slice::from_ref(&second), Some(&second));
    check_quarantine(solo, &mut partners[0], message);
}

#[test]
fn block_that_does_not_link_or_is_earlier_ends_a_reading() {
    let (solo, mut partners) = reading();
    let old = partners[0].next(&[gap(2)], 0);
    let message = frames(std::slice::from_ref(&old), Some(&old));
    check_quarantine(solo, &mut partners[0], message);
    let (solo, mut partners) = reading();
    let last = partners[0].blocks.pop().unwrap();
    let other = partners[0].next(&[gap(7)], 1);
    partners[0].blocks.push(other);
    let unlinked = partners[0].next(&[gap(2)], 1);
    partners[0].blocks.pop();
    partners[0].blocks.push(last);
    let message = frames(std::slice::from_ref(&unlinked), Some(&unlinked));
    check_quarantine(solo, &mut partners[0], message);
}

#[test]
fn block_beyond_a_hole_is_refused_and_the_hole_asked_for() {
    let (mut solo, mut partners) = reading();
    partners[0].write(&[gap(2)]);
    partners[0].write(&[gap(3)]);
    let output = solo.hear(&partners[0], partners[0].frames(3));
    assert_eq!(asked_from(&output, &partners[0]), Some(2));
    assert_eq!(solo.complaints(&partners[0]), 0);
    // The core asks once, however many blocks are on their way, and again if the answer is lost.
    assert_eq!(
        asked_from(
            &solo.hear(&partners[0], partners[0].frames(3)),
            &partners[0]
        ),
        None
    );
    assert_eq!(asked_from(&solo.wait(1_000), &partners[0]), None);
    assert_eq!(asked_from(&solo.wait(5_000), &partners[0]), Some(2));
    solo.hear(&partners[0], partners[0].frames(2));
    let (_, status) = solo
        .status()
        .partners
        .into_iter()
        .find(|(key, _)| *key == partners[0].key())
        .unwrap();
    assert_eq!(
        status.applied,
        partners[0].blocks.last().map(|block| block.head())
    );
}

#[test]
fn new_incarnation_is_read_after_the_rest_of_the_old_one() {
    let (mut solo, mut partners) = reading();
    partners[0].write(&[gap(2)]);
    partners[0].begin_anew();
    partners[0].write(&[gap(3)]);
    let output = solo.hear(&partners[0], partners[0].frames(3));
    assert_eq!(asked_from(&output, &partners[0]), Some(2));
    solo.hear(
        &partners[0],
        frames(&partners[0].blocks[2..3], partners[0].blocks.last()),
    );
    solo.hear(&partners[0], partners[0].frames(3));
    let status = solo
        .status()
        .partners
        .into_iter()
        .find(|(key, _)| *key == partners[0].key());
    assert_eq!(
        status.unwrap().1.applied,
        partners[0].blocks.last().map(|block| block.head())
    );
    assert_eq!(solo.complaints(&partners[0]), 0);
}

#[test]
fn partner_that_answers_nothing_is_not_asked_in_circles() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].write(&[gap(0)]);
    assert_eq!(asked_from(&solo.meet(&partners[0]), &partners[0]), Some(0));
    let nothing = frames(&[], partners[0].blocks.last());
    assert_eq!(
        asked_from(&solo.hear(&partners[0], nothing.clone()), &partners[0]),
        None
    );
    assert_eq!(
        asked_from(&solo.hear(&partners[0], nothing), &partners[0]),
        None
    );
    // The partner announces its head again.
    let output = solo.hear(&partners[0], partners[0].hello(None));
    assert_eq!(asked_from(&output, &partners[0]), Some(0));
}

#[test]
fn a_hello_of_another_ring_counts_for_nothing() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    for partner in &partners {
        solo.round(vec![Input::LinkUp(partner.key())]);
        let foreign = partner.hello_with(|hello| hello.ring = Id::ZERO);
        let output = solo.hear(partner, foreign);
        assert!(said_to(&output, partner).is_empty());
        assert_eq!(solo.complaints(partner), 1);
    }
    solo.wait(60_000);
    assert!(!solo.status().is_open);
}

#[test]
fn a_hello_with_the_identity_of_another_counts_for_nothing() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    for (partner, other) in [(0, 1), (1, 0)] {
        let (partner, other) = (&partners[partner], &partners[other]);
        solo.round(vec![Input::LinkUp(partner.key())]);
        let output = solo.hear(partner, other.hello(None));
        assert!(said_to(&output, partner).is_empty());
        assert_eq!(solo.complaints(partner), 1);
        assert!(!solo.status_of(partner).is_up);
    }
    solo.wait(60_000);
    assert!(!solo.status().is_open);
}

#[test]
fn a_member_that_is_not_a_partner_is_told_nothing() {
    let (mut solo, mut partners) = Solo::open(Shape::new(7, 3));
    let mut cluster = World::new(0, Shape::new(7, 3));
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    solo.round(vec![submit(1, &publication, Ack::One)]);
    // Three places away, so the two peers share no cell.
    let other = &mut partners[2];
    let known = solo.status().partners;
    assert!(known.iter().all(|(key, _)| *key != other.key()));
    let confirmed = other.confirm(&publication);
    let head = other.blocks[0].head();
    let heartbeat = Heartbeat::sign(other.overlay(), head, 1, &other.signer());
    let follow = Message::Follow {
        incarnation: 0,
        from_height: 0,
    };
    for message in [
        other.hello(None),
        follow,
        Message::Fetch(vec![publication.id()]),
        other.frames(0),
        Message::Alive(heartbeat),
        confirmed,
    ] {
        let output = solo.hear(other, message.clone());
        assert!(said_to(&output, other).is_empty(), "{message:?}");
    }
    assert_eq!(solo.status().partners, known);
}

/// Keeps S7.
#[test]
fn a_past_that_a_peer_never_signed_is_not_believed() {
    let (mut solo, partners) = Solo::start(Shape::new(3, 3));
    let head = Head {
        incarnation: u64::MAX,
        height: u64::MAX,
        hash: Id::ZERO,
    };
    for partner in &partners {
        let forged = Heartbeat::sign(partner.overlay(), head, 1, &partner.signer());
        let seen = SignedHead::Heartbeat(Box::new(forged));
        let hello = Input::Message(partner.key(), partner.hello(Some(seen)));
        solo.round(vec![Input::LinkUp(partner.key()), hello]);
        assert_eq!(solo.complaints(partner), 1);
    }
    assert!(solo.status().is_open);
    assert!(solo.status().tip.unwrap().head.incarnation < 1 << 50);
}

/// Keeps S7.
#[test]
fn peer_that_hears_too_late_what_its_disk_forgot_ends() {
    for change in [
        (|tip| Head {
            height: tip.height + 1,
            ..tip
        }) as fn(Head) -> Head,
        |tip| Head {
            hash: Id::ZERO,
            ..tip
        },
    ] {
        let (mut solo, partners) = Solo::open(Shape::new(3, 3));
        let tip = solo.status().tip.unwrap().head;
        let known = partners[0].hello(Some(solo.signed(tip)));
        assert_eq!(solo.ends_with(&partners[0], known.clone()), None);
        let forgotten = change(tip);
        let late = partners[0].hello(Some(solo.signed(forgotten)));
        // The head is kept first, and nothing is signed beside it.
        let output = solo.hear(&partners[0], late);
        assert!(output.sends.is_empty(), "{output:?}");
        let ended = solo.ends_with(&partners[0], known);
        assert_eq!(ended, Some(Fatal::Forgotten(forgotten)));
        // The next process knows, whatever its partners say in time.
        solo.restart();
        for partner in &partners {
            solo.meet(partner);
        }
        let begun = solo.status().tip.unwrap().head;
        assert!(begun.incarnation > tip.incarnation, "{begun:?}");
    }
}

/// Keeps S7.
#[test]
fn blocks_cut_in_the_round_of_a_late_answer_are_dropped() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let tip = solo.status().tip.unwrap().head;
    let mut cluster = World::new(0, Shape::new(3, 3));
    let large = |name: String| About {
        updates: (0..16)
            .map(|n| format!("{n} {name} {}", "x".repeat(60_000)))
            .collect(),
        name,
        inserts: true,
    };
    // The round cuts a block before the answer comes.
    let mut inputs: Vec<_> = (0..10)
        .map(|number| {
            let publication = cluster.say_all(vec![large(format!("large work {number}"))]);
            submit(number, &publication, Ack::One)
        })
        .collect();
    let beyond = Head {
        height: tip.height + 1,
        ..tip
    };
    let late = partners[0].hello(Some(solo.signed(beyond)));
    inputs.push(Input::Message(partners[0].key(), late));
    let output = solo.round(inputs);
    assert!(output.sends.is_empty() && output.replies.is_empty());
    assert_eq!(solo.disk().head(), Ok(Some(tip)));
}

#[test]
fn a_heartbeat_of_somebody_else_is_not_believed() {
    let (mut solo, partners) = reading();
    let head = Head {
        incarnation: 9,
        height: 9,
        hash: Id::ZERO,
    };
    let heartbeat = Heartbeat::sign(partners[1].overlay(), head, 1, &partners[1].signer());
    let output = solo.hear(&partners[0], Message::Alive(heartbeat));
    assert_eq!(solo.complaints(&partners[0]), 1);
    assert_eq!(asked_from(&output, &partners[0]), None);
    assert!(
        solo.status()
            .partners
            .iter()
            .all(|(_, of)| of.head != Some(head))
    );
}

#[test]
fn a_heartbeat_under_a_wrong_signature_is_not_believed() {
    let (mut solo, partners) = reading();
    let before = solo.status_of(&partners[0]).head;
    let head = Head {
        incarnation: 1,
        height: 9,
        hash: Id::ZERO,
    };
    let overlay = partners[0].overlay();
    let signed = Heartbeat::sign(overlay, head, 1, &partners[0].signer());
    let heartbeat = Heartbeat::from_wire(Some(forged(signed.signed())), overlay);
    let output = solo.hear(&partners[0], Message::Alive(heartbeat.unwrap()));
    assert_eq!(solo.complaints(&partners[0]), 1);
    assert_eq!(asked_from(&output, &partners[0]), None);
    assert_eq!(solo.status_of(&partners[0]).head, before);
    // A correct signature is believed.
    let output = solo.hear(&partners[0], Message::Alive(signed));
    assert_eq!(asked_from(&output, &partners[0]), Some(2));
    assert_eq!(solo.status_of(&partners[0]).head, Some(head));
}
