//! Limits: queues and memory stay bounded, and work continues after a limit was reached.

use std::collections::BTreeMap;

use kittengrad_node_core::{Delivery, Input, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::{Bitmap, Cells, Item},
    id::Id,
    limits::{BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX},
};

use kittengrad_sim::{
    About, Shape, World,
    story::solo::{Solo, asked_from, fetched, submit},
};

/// Items that list transactions that do not exist.
fn items(count: usize, salt: u64) -> Vec<Item> {
    let item = |number: usize| Item::Transaction {
        id: Id::of(&[&number.to_be_bytes(), &salt.to_be_bytes()]),
        bitmap: Bitmap::new([true]),
        cells: Cells::new([true]),
    };
    (0..count).map(item).collect()
}

#[test]
fn journal_is_read_no_further_than_its_records_can_be_fetched() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    let mut cluster = World::new(0, Shape::new(3, 3));
    let all: Vec<_> = (0..4_000)
        .map(|number| cluster.say(&[&format!("work {number}")]))
        .collect();
    for publication in &all {
        partners[0].list(publication);
    }
    partners[0].write(&items(10, 0));
    solo.meet(&partners[1]);
    solo.meet(&partners[0]);
    let output = solo.hear(
        &partners[0],
        kittengrad_sim::story::solo::frames(
            &partners[0].blocks[..3_000],
            partners[0].blocks.last(),
        ),
    );
    assert_eq!(solo.status().missing, 3_000);
    assert_eq!(
        asked_from(&output, &partners[0]),
        None,
        "the limit of missing transactions is reached"
    );
    let asked = fetched(&output, &partners[0]);
    assert!(
        asked.len() < 300 && asked[0] == all[0].id(),
        "in the order of the journal"
    );
    // Unrequested blocks are ignored in the meantime.
    solo.hear(&partners[0], partners[0].frames(3_000));
    assert_eq!(solo.status().missing, 3_000);
    let mut asked_again = None;
    for publication in &all[..1_500] {
        let output = solo.deliver(&partners[0], Delivery::Body, publication);
        asked_again = asked_again.or_else(|| asked_from(&output, &partners[0]));
    }
    assert_eq!(asked_again, Some(3_000));
    solo.hear(&partners[0], partners[0].frames(3_000));
    for publication in &all[1_500..] {
        solo.deliver(&partners[0], Delivery::Body, publication);
    }
    assert_eq!(solo.status().missing, 10);
}

#[test]
fn a_partner_that_floods_with_blocks_fills_no_memory() {
    let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
    for round in 0..40 {
        partners[0].write(&items(2_000, round));
        let height = partners[0].blocks.len() as u64 - 1;
        solo.hear(&partners[0], partners[0].frames(height));
        assert!(solo.status().missing <= 4_100, "{}", solo.status().missing);
    }
}

#[test]
fn round_costs_the_same_with_100000_missing_transactions() {
    // Not measured with a clock. If each round looked at all transactions, the test would take minutes.
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    for round in 0..10 {
        partners[0].write(&items(10_000, round));
    }
    solo.meet(&partners[1]);
    solo.meet(&partners[0]);
    solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(solo.status().missing, 100_000);
    for round in 0..100_000 {
        let from = partners[(round % 2) as usize].key();
        solo.round(vec![Input::Bodies {
            from,
            delivered: Vec::new(),
            missing: Vec::new(),
        }]);
    }
}

#[test]
fn round_with_more_items_than_a_block_holds_is_split() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let count = BLOCK_ITEMS_MAX + 500;
    let all: Vec<_> = (0..count)
        .map(|number| c.say(&[&format!("small work {number}")]))
        .collect();
    let before = c.blocks(0).len();
    let requests: Vec<_> = all
        .iter()
        .map(|publication| c.submit(0, publication, Ack::Quorum))
        .collect();
    c.run_until("all answers", |c| {
        requests.iter().all(|request| c.outcome(*request).is_some())
    });
    assert_eq!(c.acknowledged(), count);
    let blocks = c.blocks(0);
    assert!(blocks.len() > before + 1);
    assert!(
        blocks
            .iter()
            .all(|block| block.items.len() <= BLOCK_ITEMS_MAX)
    );
    c.settle();
    assert_eq!(c.elements(2).len(), count);
}

#[test]
fn round_with_more_bytes_than_a_block_holds_is_split() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let big = |name: String| About {
        updates: (0..16)
            .map(|n| format!("{n} {name} {}", "x".repeat(60_000)))
            .collect(),
        name,
        inserts: true,
    };
    let mut all = Vec::new();
    for number in 0..40 {
        all.push(c.say_all(vec![big(format!("large work {number}"))]));
    }
    let bytes: usize = all
        .iter()
        .map(|publication| publication.submission.size_bytes())
        .sum();
    assert!(bytes > 4 * BLOCK_BYTES_MAX);
    let before = c.blocks(0).len();
    let requests: Vec<_> = all
        .iter()
        .map(|publication| c.submit(0, publication, Ack::Quorum))
        .collect();
    c.run_until("all answers", |c| {
        requests.iter().all(|request| c.outcome(*request).is_some())
    });
    assert!(c.blocks(0).len() >= before + 4);
    // A peer that missed all of it gets it in several messages.
    c.wipe(2);
    c.start(2);
    c.settle();
    c.assert_nothing_is_lost();
}

#[test]
fn submissions_beyond_the_limit_are_refused_until_room_is_back() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    for partner in &partners {
        solo.round(vec![Input::LinkDown(partner.key())]);
    }
    let mut cluster = World::new(0, Shape::new(3, 3));
    let mut refused = 0;
    for request in 0..20_100 {
        let publication = cluster.say(&[&format!("work {request}")]);
        let output = solo.round(vec![submit(request, &publication, Ack::Quorum)]);
        for reply in output.replies {
            assert_eq!(reply.outcome, Err(Refusal::Overloaded));
            refused += 1;
        }
    }
    assert_eq!(refused, 100);
    assert_eq!(solo.wait(10_000).replies.len(), 20_000);
    assert_eq!(solo.status().waiting, 0);
}

#[test]
fn transaction_asked_for_repeatedly_waits_in_few_places() {
    let (mut solo, _) = Solo::open(Shape::new(3, 3));
    let mut cluster = World::new(0, Shape::new(3, 3));
    let publication = cluster.say(&["a work"]);
    let mut outcomes: BTreeMap<bool, usize> = BTreeMap::new();
    for request in 0..1_000 {
        let output = solo.round(vec![submit(request, &publication, Ack::Quorum)]);
        for reply in output.replies {
            *outcomes
                .entry(reply.outcome == Err(Refusal::Overloaded))
                .or_default() += 1;
        }
    }
    assert!(!outcomes.contains_key(&false));
    let late = solo.wait(10_000).replies;
    assert_eq!((late.len(), outcomes[&true]), (64, 936));
    assert!(
        late.iter()
            .all(|reply| !reply.outcome.as_ref().unwrap().is_acknowledged)
    );
}
