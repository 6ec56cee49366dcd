//! Memory: a core remembers a limited amount of clients and partners, and accepts more once memory is free.

use kittengrad_node_core::{Delivery, Input, Output, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Bitmap, Cells, Item},
    id::Id,
};

use kittengrad_sim::{
    About, Publication, Shape, World,
    story::solo::{Solo, fetched, submit},
};

/// The numbers of elements and canonicals that a submission added, from the reply to its client.
fn told(output: &Output) -> (usize, usize) {
    let submitted = output.replies[0].outcome.as_ref().unwrap();
    (submitted.added.count(), submitted.created.len())
}

/// Keeps S9.
#[test]
fn more_bytes_than_may_wait_are_refused_and_room_comes_back() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    for partner in &partners {
        solo.round(vec![Input::LinkDown(partner.key())]);
    }
    let mut cluster = World::new(0, Shape::new(3, 3));
    let mut large = |number: u64| -> Publication {
        let texts = (0..64).map(|text| format!("{text} of {number} {}", "x".repeat(64_000)));
        cluster.say_all(vec![About {
            name: format!("large work {number}"),
            inserts: true,
            updates: texts.collect(),
        }])
    };
    let mut waiting = 0;
    let refused = loop {
        let publication = large(waiting);
        let output = solo.round(vec![submit(waiting, &publication, Ack::Quorum)]);
        match output.replies.first() {
            None => waiting += 1,
            Some(reply) => break reply.outcome.clone(),
        }
        assert!(waiting < 40, "{} bytes wait", solo.status().waiting_bytes);
    };
    assert_eq!(refused, Err(Refusal::Overloaded));
    assert!(waiting > 30);
    assert_eq!(solo.wait(10_000).replies.len() as u64, waiting);
    let publication = large(waiting);
    assert!(
        solo.round(vec![submit(waiting, &publication, Ack::Quorum)])
            .replies
            .is_empty()
    );
    assert_eq!(solo.status().waiting, 1);
}

#[test]
fn what_submissions_added_is_remembered_for_a_while_only() {
    let (mut solo, _) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(0, Shape::new(3, 3));
    let mut thousand = |salt: u64| -> Publication {
        let about = (0..1_000).map(|number| About {
            name: format!("work {number} of {salt}"),
            inserts: true,
            updates: Vec::new(),
        });
        cluster.say_all(about.collect())
    };
    let first = thousand(0);
    let mut submits =
        |publication: &Publication| told(&solo.round(vec![submit(0, publication, Ack::One)]));
    assert_eq!(submits(&first), (1_000, 1_000));
    for salt in 1..=15 {
        submits(&thousand(salt));
    }
    assert_eq!(submits(&first), (1_000, 1_000));
    for salt in 16..=25 {
        submits(&thousand(salt));
    }
    assert_eq!(submits(&first), (0, 0));
}

#[test]
fn repeats_are_remembered_for_a_while_only() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(0, Shape::new(3, 3));
    // All but the first add nothing, so the store does not list them.
    let mut say = || cluster.say(&["a work"]);
    solo.deliver(&partners[0], Delivery::Body, &say());
    let repeat = say();
    solo.deliver(&partners[0], Delivery::Body, &repeat);
    partners[0].list(&repeat);
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert!(fetched(&output, &partners[0]).is_empty());
    assert_eq!(solo.status().missing, 0);
    for _ in 0..10_100 {
        solo.deliver(&partners[0], Delivery::Body, &say());
    }
    partners[1].list(&repeat);
    let output = solo.hear(&partners[1], partners[1].frames(0));
    assert_eq!(fetched(&output, &partners[1]), [repeat.id()]);
}

#[test]
fn no_more_is_fetched_while_too_much_waits_to_be_verified() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    let items = (0..2_000_u64).map(|number| Item::Transaction {
        id: Id::of(&[&number.to_be_bytes()]),
        bitmap: Bitmap::new([true]),
        cells: Cells::new([true]),
    });
    partners[0].write(&items.collect::<Vec<_>>());
    let output = solo.hear(&partners[0], partners[0].frames(0));
    let mut asked = fetched(&output, &partners[0]);
    let mut delivered = 0;
    while !asked.is_empty() {
        delivered += asked.len();
        assert!(delivered < 2_000);
        let answer = Input::Bodies {
            from: partners[0].key(),
            delivered: asked,
            missing: Vec::new(),
        };
        asked = fetched(&solo.round(vec![answer]), &partners[0]);
    }
    assert!(delivered > 1_000);
    // Unverified bodies no longer count after a while, whatever their outcome.
    assert!(!fetched(&solo.wait(5_000), &partners[0]).is_empty());
}
