//! Requests: when each is answered, with whose confirmations, and with which receipt.

use kittengrad_node_core::{Input, Output, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{identity::Identity, link::Message};

use kittengrad_sim::{
    About, Publication, Shape, World, canonical,
    story::solo::{Partner, Solo, pushed, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    World::new(1, Shape::new(3, 3)).say(&["a work"])
}

/// The requests that a round answered.
fn answered(output: &Output) -> Vec<u64> {
    output.replies.iter().map(|reply| reply.request).collect()
}

#[test]
fn each_request_is_answered_when_its_own_time_is_over() {
    let shape = Shape::new(3, 3);
    let ack_ms = shape.timing.ack_ms;
    let (mut solo, partners) = Solo::open(shape);
    for partner in &partners {
        solo.round(vec![Input::LinkDown(partner.key())]);
    }
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    solo.pass(1_000);
    solo.round(vec![submit(2, &publication, Ack::Quorum)]);
    assert_eq!(solo.status().waiting, 1);
    assert!(answered(&solo.wait(ack_ms - 1_001)).is_empty());
    solo.pass(1);
    assert!(answered(&solo.round(Vec::new())).is_empty(), "no tick");
    assert_eq!(answered(&solo.wait(0)), [1]);
    assert_eq!(solo.status().waiting, 1);
    assert!(answered(&solo.wait(999)).is_empty());
    let output = solo.wait(1);
    assert_eq!(answered(&output), [2]);
    assert!(!output.replies[0].outcome.as_ref().unwrap().is_acknowledged);
    assert_eq!((solo.status().waiting, solo.status().waiting_bytes), (0, 0));
    assert!(answered(&solo.wait(10_000)).is_empty());
}

#[test]
fn a_request_joins_another_even_if_new_ones_are_refused() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::All)]);
    let inputs = vec![Input::Space(false), submit(2, &publication, Ack::One)];
    let output = solo.round(inputs);
    // The peer's own disk has it, which is confirmed again.
    assert_eq!(answered(&output), [2]);
    assert!(output.replies[0].outcome.as_ref().unwrap().is_acknowledged);
    assert_eq!(pushed(&output, &partners[0]).len(), 1);
    let other = World::new(2, Shape::new(3, 3)).say(&["another work"]);
    let output = solo.round(vec![submit(3, &other, Ack::One)]);
    assert_eq!(output.replies[0].outcome, Err(Refusal::DiskFull));
}

fn identity_of(partner: &Partner) -> Identity {
    let Message::Hello(hello) = partner.hello(None) else {
        unreachable!("a hello is a hello")
    };
    hello.identity
}

#[test]
fn a_receipt_states_its_quorum_and_has_the_proofs_of_each_member() {
    for (ack, quorum) in [(Ack::One, 1), (Ack::Quorum, 2), (Ack::All, 3)] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        let mut cluster = World::new(1, Shape::new(3, 3));
        let texts = ["a", "b", "c"].map(str::to_owned);
        let publication = cluster.say_all(vec![About {
            name: "a work".to_owned(),
            inserts: true,
            updates: texts.to_vec(),
        }]);
        let mut output = solo.round(vec![submit(1, &publication, ack)]);
        for partner in &mut partners[..quorum - 1] {
            assert!(output.replies.is_empty());
            let confirmed = partner.confirm(&publication);
            output = solo.hear(partner, confirmed);
        }
        let submitted = output.replies[0].outcome.clone().unwrap();
        assert!(submitted.is_acknowledged);
        let receipt = submitted.receipt.unwrap();
        assert_eq!(
            (receipt.quorum as usize, receipt.transaction.id()),
            (quorum, publication.id())
        );
        assert_eq!(receipt.confirmations.len(), quorum);
        for confirmation in &receipt.confirmations {
            // One item lists all elements of the transaction.
            assert_eq!(confirmation.proofs.len(), 1);
            let mut others = partners.iter();
            let partner = others.find(|partner| partner.key() == confirmation.peer);
            let chain = partner.map(|partner| identity_of(partner).chain);
            let is_own = confirmation.peer == solo.key();
            assert!(is_own != chain.is_some());
            assert!(chain.is_none_or(|chain| chain == confirmation.chain));
            assert!(!is_own || confirmation.chain != identity_of(&partners[0]).chain);
        }
        let [(_, peers)] = &receipt.cells[..] else {
            panic!("{:?}", receipt.cells)
        };
        let confirmed: Vec<_> = receipt.confirmations.iter().map(|of| of.peer).collect();
        assert!(confirmed.iter().all(|peer| peers.contains(peer)));
        assert_eq!(peers.len(), confirmed.len());
    }
}

#[test]
fn a_receipt_is_made_only_for_those_who_ask() {
    let (mut solo, _) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    let output = solo.round(vec![Input::Submit {
        request: 1,
        submission: publication.submission.clone(),
        chain: publication.chain.clone(),
        ack: Ack::One,
        receipt: false,
    }]);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert!(submitted.is_acknowledged && submitted.receipt.is_none());
}

#[test]
fn a_replica_that_returns_with_its_journal_has_confirmed() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::All)]);
    let confirmed = partners[0].confirm(&publication);
    solo.hear(&partners[0], confirmed);
    // The other one, which did not confirm, is pushed to again.
    assert!(pushed(&solo.meet(&partners[0]), &partners[0]).is_empty());
    assert_eq!(pushed(&solo.meet(&partners[1]), &partners[1]).len(), 1);
    let output = solo.hear(&partners[1], partners[1].hello(None));
    assert!(
        pushed(&output, &partners[1]).is_empty(),
        "it was open before"
    );
    let confirmed = partners[1].confirm(&publication);
    let output = solo.hear(&partners[1], confirmed);
    assert!(output.replies[0].outcome.as_ref().unwrap().is_acknowledged);
}

#[test]
fn a_replica_with_a_new_incarnation_has_to_confirm_again() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication();
    solo.round(vec![submit(1, &publication, Ack::All)]);
    for partner in &mut partners {
        partner.write(&[kittengrad_proto::block::Item::Gap {
            incarnation: 0,
            from_height: 0,
        }]);
    }
    let confirmed = partners[0].confirm(&publication);
    solo.hear(&partners[0], confirmed);
    partners[0].begin_anew();
    let again = partners[0].prove(&publication);
    assert_eq!(pushed(&solo.meet(&partners[0]), &partners[0]).len(), 1);
    let confirmed = partners[1].confirm(&publication);
    let output = solo.hear(&partners[1], confirmed);
    assert!(output.replies.is_empty());
    let again = kittengrad_sim::story::solo::confirmation(&publication, again);
    let output = solo.hear(&partners[0], again);
    assert!(output.replies[0].outcome.as_ref().unwrap().is_acknowledged);
}

#[test]
fn canonicals_are_taken_by_the_newest_view() {
    let mut cluster = World::new(0, Shape::new(7, 3));
    let (mut solo, partners) = Solo::open(Shape::new(7, 3));
    // With fewer members, each member holds more of the circle.
    let fewer = solo.view_with(&partners[..4]);
    let all = solo.view_with(&partners);
    let gained = |name: &String| {
        let canonical = canonical(name);
        fewer.holds_here(&canonical) && !all.holds_here(&canonical)
    };
    let name = std::iter::repeat_with(|| cluster.name()).find(gained);
    let name = name.unwrap();
    let publication = cluster.say(&[&name]);
    let mut ask = |solo: &mut Solo| {
        let output = solo.round(vec![submit(1, &publication, Ack::One)]);
        output.replies[0].outcome.as_ref().err().cloned()
    };
    let refused = Refusal::NotResponsible(canonical(&name));
    assert_eq!(ask(&mut solo), Some(refused.clone()));
    solo.round(vec![Input::View(fewer.clone())]);
    assert_eq!(ask(&mut solo), None);
    solo.round(vec![Input::View(all.clone())]);
    assert_eq!(ask(&mut solo), Some(refused));
}
