//! Confirmations: an answer of a replica counts only if it is proved.

use kittengrad_node_core::{Delivery, Input, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::Header,
    error::ErrorCode,
    link::{Message, PushRefusal, PushResult},
};

use kittengrad_sim::{
    About, Publication, Shape, World,
    story::solo::{Partner, Solo, confirmation, forged, pushed, said_to, submit},
};

/// A transaction in a three-member network.
fn publication(number: u64) -> Publication {
    let mut cluster = World::new(number, Shape::new(3, 3));
    cluster.say(&[&format!("work {number}")])
}

fn about(name: &str, inserts: bool, updates: Vec<String>) -> About {
    About {
        name: name.to_owned(),
        inserts,
        updates,
    }
}

#[test]
fn a_known_header_under_another_signature_proves_nothing() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let publication = publication(1);
    solo.round(vec![submit(1, &publication, Ack::All)]);
    let proofs = partners[0].prove(&publication);
    solo.hear(&partners[0], confirmation(&publication, proofs.clone()));
    assert_eq!(solo.complaints(&partners[0]), 0);
    // The hash of a header does not cover the signature.
    let mut unsigned = proofs.clone();
    let header = forged(proofs[0].header.signed());
    unsigned[0].header = Header::from_wire(Some(header), partners[0].overlay()).unwrap();
    assert_eq!(unsigned[0].header.hash(), proofs[0].header.hash());
    solo.hear(&partners[0], confirmation(&publication, unsigned));
    assert_eq!(solo.complaints(&partners[0]), 1);
    // The receipt has the valid proof.
    let confirmed = partners[1].confirm(&publication);
    let output = solo.hear(&partners[1], confirmed);
    let submitted = output.replies[0].outcome.clone().unwrap();
    let confirmations = submitted.receipt.unwrap().confirmations;
    let mut of_first = confirmations
        .iter()
        .filter(|of| of.peer == partners[0].key());
    assert_eq!(of_first.next().map(|of| &of.proofs), Some(&proofs));
}

#[test]
fn a_member_that_holds_nothing_cannot_confirm() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let name = cluster.name_in(0);
    let publication = cluster.say(&[&name]);
    let (mut solo, partners) = Solo::open(shape);
    // Partner `n` is member `n + 1`.
    let stranger = &partners[1];
    assert!(!cluster.replicas(&name).contains(&2));
    let output = solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    assert!(pushed(&output, stranger).is_empty());
    solo.hear(stranger, confirmation(&publication, Vec::new()));
    assert_eq!(solo.complaints(stranger), 1);
    let output = solo.wait(10_000);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert_eq!(submitted.synced, [solo.key()]);
}

#[test]
fn a_replica_that_lacks_certificates_is_pushed_to_with_them() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    // The publisher's certificates are sent once on a connection.
    let (first, second) = (publication(1), publication(2));
    for (publication, has_chain) in [(&first, true), (&second, false)] {
        let output = solo.round(vec![submit(1, publication, Ack::Quorum)]);
        let push = pushed(&output, &partners[0])[0];
        assert_eq!(push.chain.is_some(), has_chain);
    }
    let unknown = PushResult {
        id: second.id(),
        outcome: Err(PushRefusal::new(ErrorCode::ChainUnknown, "not here")),
    };
    let output = solo.hear(&partners[0], Message::PushResult(unknown));
    let pushes = pushed(&output, &partners[0]);
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].transaction.id(), second.id());
    assert_eq!(pushes[0].chain.as_ref(), Some(&*second.chain));
    let confirmed = partners[0].confirm(&second);
    let output = solo.hear(&partners[0], confirmed);
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    assert!(submitted.is_acknowledged);
    // Another connection needs them again.
    let output = solo.meet(&partners[0]);
    let push = pushed(&output, &partners[0])[0];
    assert_eq!(push.transaction.id(), first.id());
    assert!(push.chain.is_some());
}

#[test]
fn a_replica_that_is_not_open_is_pushed_to_once_it_is() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    solo.round(vec![Input::LinkUp(partners[0].key())]);
    let starting = partners[0].hello_with(|hello| hello.is_open = false);
    solo.hear(&partners[0], starting);
    let output = solo.round(vec![submit(1, &publication(1), Ack::Quorum)]);
    assert!(pushed(&output, &partners[0]).is_empty());
    assert_eq!(pushed(&output, &partners[1]).len(), 1);
    let output = solo.hear(&partners[0], partners[0].hello(None));
    assert_eq!(pushed(&output, &partners[0]).len(), 1);
    assert!(pushed(&output, &partners[1]).is_empty());
}

/// Asks a core to prove `repeat`, as a client and as a coordinator. Returns whether it refuses both.
fn refuses(solo: &mut Solo, coordinator: &Partner, repeat: &Publication) -> bool {
    // Two clients ask at once, and both get an answer.
    let asks = [0, 1].map(|request| submit(request, repeat, Ack::One));
    let output = solo.round(asks.to_vec());
    assert_eq!(output.replies.len(), 2);
    assert_eq!(
        output.replies[0].outcome.is_err(),
        output.replies[1].outcome.is_err()
    );
    let is_refused = match &output.replies[0].outcome {
        Ok(submitted) => {
            assert!(submitted.is_acknowledged && submitted.receipt.is_some());
            false
        }
        Err(refusal) => matches!(refusal, Refusal::Internal(_)),
    };
    let output = solo.deliver(coordinator, Delivery::Push, repeat);
    let answers = said_to(&output, coordinator).into_iter();
    let answers: Vec<_> = answers
        .filter_map(|message| match message {
            Message::PushResult(result) => Some(result.outcome.is_err()),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [is_refused]);
    assert_eq!(solo.status().waiting, 0);
    is_refused
}

#[test]
fn a_repeat_whose_proofs_outgrow_a_receipt_is_refused() {
    // With R = 63, up to 125 members may confirm one transaction, so each has room for proofs of about 120 KiB.
    let shape = Shape::new(3, 63);
    let mut cluster = World::new(0, shape.clone());
    let (mut solo, partners) = Solo::open(shape);
    let names: Vec<_> = (0..8).map(|number| format!("work {number}")).collect();
    for (request, name) in (1..).zip(&names) {
        let texts = (0..999).map(|number| format!("{number}")).collect();
        let publication = cluster.say_all(vec![about(name, true, texts)]);
        let output = solo.round(vec![submit(request, &publication, Ack::One)]);
        assert!(output.replies[0].outcome.is_ok());
    }
    let repeat = |names: &[String]| {
        let one = |name: &String| about(name, true, vec!["7".to_owned()]);
        names.iter().map(one).collect()
    };
    // The proof of each element contains a transaction of 32 KB.
    let few = cluster.say_all(repeat(&names[..2]));
    assert!(!refuses(&mut solo, &partners[0], &few));
    let many = cluster.say_all(repeat(&names));
    assert!(refuses(&mut solo, &partners[0], &many));
}

#[test]
fn a_repeat_with_more_proofs_than_a_message_takes_is_refused() {
    let mut cluster = World::new(0, Shape::new(3, 3));
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let texts: Vec<_> = (0..1_000).map(|number| format!("{number}")).collect();
    // Each element has an item of its own.
    let update = |number: usize| about("a work", number == 0, vec![texts[number].clone()]);
    let bare = || about("another work", true, Vec::new());
    let mut all: Vec<_> = (0..1_000)
        .map(|number| cluster.say_all(vec![update(number)]))
        .collect();
    all.push(cluster.say_all(vec![bare()]));
    let submissions = (1..).zip(&all);
    let submissions =
        submissions.map(|(request, publication)| submit(request, publication, Ack::One));
    assert_eq!(solo.round(submissions.collect()).replies.len(), 1_001);
    let updates = about("a work", true, texts.clone());
    let thousand = cluster.say_all(vec![updates.clone()]);
    assert!(!refuses(&mut solo, &partners[0], &thousand));
    let more = cluster.say_all(vec![updates, bare()]);
    assert!(refuses(&mut solo, &partners[0], &more));
}

#[test]
fn each_replica_gets_the_entries_that_it_holds() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let names = [cluster.name_in(0), cluster.name_in(1)];
    let publication = cluster.say(&[&names[0], &names[1]]);
    let (mut solo, partners) = Solo::open(shape);
    let output = solo.round(vec![submit(1, &publication, Ack::All)]);
    for (number, partner) in partners.iter().enumerate() {
        // Partner `n` is member `n + 1`. Each name has two records: the canonical and an update.
        let holds = |name: &&String| cluster.replicas(name).contains(&(number + 1));
        let records = 2 * names.iter().filter(holds).count();
        let pushes = pushed(&output, partner);
        let pushed_records: Vec<_> = pushes.iter().map(|push| push.records.len()).collect();
        let expected = (records > 0).then_some(records);
        assert_eq!(pushed_records, Vec::from_iter(expected), "partner {number}");
        // A replica that opens again gets what it has not confirmed, and others get nothing.
        let output = solo.meet(partner);
        assert_eq!(!pushed(&output, partner).is_empty(), records > 0);
    }
}
