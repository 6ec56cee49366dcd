//! Requests: when each is answered, with whose confirmations, and with which receipt.

use kittengrad_node_core::{Input, Output, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Bitmap, Cells, Item},
    identity::Identity,
    link::Message,
};

use kittengrad_sim::{
    About, Publication, Shape, World, canonical,
    story::solo::{Partner, Solo, confirmation, proof_of, pushed, submit},
};

/// A transaction in a three-member network.
fn publication() -> Publication {
    World::new(1, Shape::new(3, 3)).say(&["a work"])
}

/// A transaction about one canonical with these updates.
fn updates(cluster: &mut World, name: &str, texts: &[&str]) -> Publication {
    cluster.say_all(vec![About {
        name: name.to_owned(),
        inserts: true,
        updates: texts.iter().map(|text| (*text).to_owned()).collect(),
    }])
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
fn a_receipt_states_its_quorum_and_proves_each_member() {
    for (ack, quorum) in [(Ack::One, 1), (Ack::Quorum, 2), (Ack::All, 3)] {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        let mut cluster = World::new(1, Shape::new(3, 3));
        let publication = updates(&mut cluster, "a work", &["a", "b", "c"]);
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
        partner.write(&[Item::Gap {
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
    let again = confirmation(&publication, again);
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
    let ask = |solo: &mut Solo| {
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

#[test]
fn the_answer_to_a_repeat_names_the_block_that_added_it() {
    let (mut solo, _) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(1, Shape::new(3, 3));
    let first = updates(&mut cluster, "a work", &["a", "b"]);
    let other = updates(&mut cluster, "another work", &["a"]);
    let mut block_of = |publication: &Publication| {
        let output = solo.round(vec![submit(1, publication, Ack::One)]);
        let block = output.replies[0].outcome.as_ref().unwrap().block;
        (block, solo.status().tip.unwrap().head)
    };
    let (block, head) = block_of(&first);
    assert_eq!(block, head);
    assert_eq!(block_of(&other).1.height, head.height + 1);
    assert_eq!(block_of(&first).0, block);
    // Of two blocks with its elements it is the newer one.
    let more = updates(&mut cluster, "a work", &["a", "c"]);
    let (newer, head) = block_of(&more);
    assert_eq!((newer, newer.height), (head, block.height + 2));
    let both = updates(&mut cluster, "a work", &["a", "b", "c"]);
    assert_eq!(block_of(&both).0, newer);
}

#[test]
fn a_confirmation_from_two_blocks_counts_and_shows_the_newer() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(1, Shape::new(3, 3));
    let publication = updates(&mut cluster, "a work", &["a", "b"]);
    solo.round(vec![submit(1, &publication, Ack::Quorum)]);
    for bits in [[true, false], [false, true]] {
        partners[0].write(&[Item::Transaction {
            id: publication.id(),
            bitmap: Bitmap::new(bits),
            cells: Cells::new([true]),
        }]);
    }
    // The newer proof comes first.
    let proofs = partners[0].blocks.iter().rev().map(proof_of);
    let confirmed = confirmation(&publication, proofs.collect());
    let output = solo.hear(&partners[0], confirmed);
    assert!(output.replies[0].outcome.as_ref().unwrap().is_acknowledged);
    let head = partners[0].blocks.last().map(|block| block.head());
    assert_eq!(solo.status_of(&partners[0]).head, head);
}

#[test]
fn a_transaction_is_proved_from_all_blocks_of_its_round() {
    let (mut solo, _) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(1, Shape::new(3, 3));
    let first = updates(&mut cluster, "a work", &["a"]);
    let text = "x".repeat(60_000);
    let large = (0..10).map(|number| {
        let texts: Vec<_> = (0..16).map(|n| format!("{n} {number} {text}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        updates(&mut cluster, "a large work", &texts)
    });
    let large: Vec<_> = large.collect();
    let more = updates(&mut cluster, "a work", &["a", "b"]);
    let all = [&first].into_iter().chain(&large).chain([&more]);
    let all = (0..).zip(all);
    let submits = all.map(|(request, publication)| submit(request, publication, Ack::One));
    let output = solo.round(submits.collect());
    let of_last = output.replies.iter().find(|reply| reply.request == 11);
    let submitted = of_last.unwrap().outcome.clone().unwrap();
    assert_eq!(submitted.added.count(), 1);
    assert_eq!(Some(submitted.block), solo.status().tip.map(|tip| tip.head));
    let proofs = &submitted.receipt.unwrap().confirmations[0].proofs;
    let named = proofs.iter().map(|proof| {
        let other = proof.transaction.as_ref().map(|other| other.id());
        (proof.header.height, other)
    });
    let last = submitted.block.height;
    let expected = [(last - 1, Some(first.id())), (last, None)];
    assert_eq!(named.collect::<Vec<_>>(), expected);
}
