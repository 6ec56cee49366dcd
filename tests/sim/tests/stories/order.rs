//! Order: early, late or overtaken messages do not undo newer ones.

use kittengrad_node_core::{Input, Output};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::link::Message;

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, pushed, said_to, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    let mut cluster = World::new(0, Shape::new(3, 3));
    cluster.say(&["a work"])
}

/// The number of blocks that a round sent to a partner.
fn sent(output: &Output, partner: &Partner) -> usize {
    let blocks = said_to(output, partner)
        .into_iter()
        .map(|message| match message {
            Message::Frames(frames) => frames.blocks.len(),
            _ => 0,
        });
    blocks.sum()
}

/// Keeps S1.
#[test]
fn a_coordinator_answers_once_its_own_disk_has_it_too() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    // Two partners confirm before the coordinator's own round ends.
    let mut inputs = vec![submit(1, &publication, Ack::Quorum)];
    for partner in &mut partners {
        inputs.push(Input::Message(partner.key(), partner.confirm(&publication)));
    }
    let output = solo.round(inputs);
    assert_eq!(output.replies.len(), 1);
    let submitted = output.replies[0].outcome.clone().unwrap();
    assert!(submitted.is_acknowledged);
    assert_eq!(Some(submitted.block), solo.status().tip.map(|tip| tip.head));
    let confirmations = submitted.receipt.unwrap().confirmations;
    assert!(confirmations.iter().any(|of| of.peer == solo.key()));
}

#[test]
fn a_confirmation_that_overtook_the_hello_is_asked_for_again() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    solo.meet(&partners[1]);
    solo.wait(10_000);
    assert!(solo.status().is_open);
    solo.round(vec![Input::LinkUp(partners[0].key())]);
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    // A receipt needs the partner's certificates, which come with its hello.
    let confirmed = partners[0].confirm(&publication);
    let output = solo.hear(&partners[0], confirmed.clone());
    assert!(output.replies.is_empty());
    assert_eq!(solo.complaints(&partners[0]), 0);
    let output = solo.hear(&partners[0], partners[0].hello(None));
    assert_eq!(pushed(&output, &partners[0]).len(), 1);
    let output = solo.hear(&partners[0], confirmed);
    let submitted = output.replies[0].outcome.clone().unwrap();
    assert_eq!(submitted.synced, [solo.key(), partners[0].key()]);
    let confirmations = submitted.receipt.unwrap().confirmations;
    assert_eq!(confirmations.len(), submitted.synced.len());
}

#[test]
fn an_older_hello_that_comes_late_takes_nothing_back() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let older = partners[0].hello_with(|hello| (hello.is_open, hello.is_settled) = (false, false));
    let is_whole = |solo: &Solo| {
        let of = solo.status_of(&partners[0]);
        (of.is_open, of.is_settled)
    };
    assert_eq!(is_whole(&solo), (true, true));
    solo.hear(&partners[0], older.clone());
    assert_eq!(is_whole(&solo), (true, true));
    // On a new connection the older hello counts.
    solo.round(vec![Input::LinkUp(partners[0].key())]);
    solo.hear(&partners[0], older);
    assert_eq!(is_whole(&solo), (false, false));
}

#[test]
fn blocks_are_sent_on_the_connection_that_asked_for_them() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(0, Shape::new(3, 3));
    let mut write = |solo: &mut Solo| {
        let name = cluster.name();
        let publication = cluster.say(&[&name]);
        sent(
            &solo.round(vec![submit(1, &publication, Ack::One)]),
            &partners[0],
        )
    };
    let follow = Message::Follow {
        incarnation: 0,
        from_height: 0,
    };
    assert_eq!(write(&mut solo), 0);
    let before = sent(&solo.hear(&partners[0], follow.clone()), &partners[0]);
    assert!(before > 0);
    assert_eq!(write(&mut solo), 1);
    solo.meet(&partners[0]);
    assert_eq!(write(&mut solo), 0);
    let output = solo.hear(&partners[0], follow);
    assert_eq!(sent(&output, &partners[0]), before + 2);
}
