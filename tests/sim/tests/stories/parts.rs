//! A coordinator that never returns: its last writes reach every replica through the other replicas.

use kittengrad_node_core::Delivery;
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::block::{Bitmap, Cells, Item};

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Partner, Solo, fetched},
};

/// Keeps S3.
#[test]
fn last_writes_of_a_lost_coordinator_reach_every_replica() {
    let mut c = World::booted(1, Shape::new(5, 3));
    let name = c.name_in(2);
    let publication = c.say(&[&name]);
    c.isolate(3);
    assert_eq!(c.put(2, &publication).synced, [c.key(2), c.key(1)]);
    c.crash(2);
    c.heal();
    c.run_until("the third copy", |c| c.has(3, &publication));
    assert_eq!(c.bodies(3, &publication), (0, 1));
}

#[test]
fn writes_only_sent_by_a_dead_coordinator_reach_replicas_too() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let name = c.name();
    let publication = c.say(&[&name]);
    c.cut(0, 2);
    // The coordinator sends its only push and then dies.
    c.crash_after(0, 1);
    c.submit(0, &publication, Ack::Quorum);
    c.run_until("the copies", |c| {
        c.has(1, &publication) && c.has(2, &publication)
    });
    assert!(!c.has(0, &publication) && !c.is_up(0));
    c.heal();
    c.start(0);
    c.settle();
    assert!(c.has(0, &publication));
}

/// Machine 1 is down while 2 writes to the cells of 1 and 2. Then 0 keeps the first part, 3 the second, and 2 never
/// returns.
fn torn() -> (World, Publication) {
    let mut c = World::booted(1, Shape::new(5, 3));
    let (first, second) = (c.name_in(1), c.name_in(2));
    let publication = c.say(&[&first, &second]);
    c.crash(1);
    let submitted = c.put(2, &publication);
    assert_eq!(submitted.synced.len(), 3);
    c.crash(2);
    (c, publication)
}

/// Keeps S3.
#[test]
fn parts_of_a_transaction_come_from_different_holders() {
    let (mut c, publication) = torn();
    c.start(1);
    c.run_until("both parts", |c| c.has(1, &publication));
    assert_eq!(c.listings(1, publication.id()), 2);
    assert_eq!(c.bodies(1, &publication), (0, 2));
    c.run_until("nothing missing", |c| c.status(1).missing == 0);
    c.start(2);
    c.settle();
    // A transaction that came in parts is not fetched again.
    assert_eq!(c.bodies(1, &publication), (0, 2));
}

#[test]
fn a_part_that_is_missing_is_remembered_through_a_restart() {
    let (mut c, publication) = torn();
    c.cut(1, 3);
    c.start(1);
    c.run_until("the first part", |c| c.listings(1, publication.id()) == 1);
    assert!(!c.has(1, &publication));
    c.restart(1);
    c.run_for(10_000);
    assert!(!c.has(1, &publication));
    c.heal();
    c.run_until("the second part", |c| c.has(1, &publication));
    c.start(2);
    c.settle();
}

#[test]
fn an_entry_without_all_records_is_fetched_of_others() {
    let mut cluster = World::new(0, Shape::new(3, 3));
    let publication = cluster.say(&["a work"]);
    for missing in 0..2 {
        let (mut solo, mut partners) = Solo::open(Shape::new(3, 3));
        partners[0].list(&publication);
        let output = solo.hear(&partners[0], partners[0].frames(0));
        assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
        partners[1].list(&publication);
        solo.hear(&partners[1], partners[1].frames(0));
        // One record is missing: the canonical or the update.
        let mut part = publication.clone();
        let records = &mut part.submission.records;
        let left_out = *records.keys().nth(missing).unwrap();
        records.remove(&left_out);
        let output = solo.deliver(&partners[0], Delivery::Body, &part);
        assert_eq!(solo.complaints(&partners[0]), 0);
        assert_eq!(fetched(&output, &partners[1]), [publication.id()]);
        solo.deliver(&partners[1], Delivery::Body, &publication);
        assert_eq!(solo.status().missing, 0);
    }
}

/// A core, and a transaction of two entries of which each of the first two partners lists one.
fn listed_in_parts() -> (Solo, Vec<Partner>, Publication) {
    let mut cluster = World::new(0, Shape::new(3, 3));
    let publication = cluster.say(&["a work", "another work"]);
    let (solo, mut partners) = Solo::open(Shape::new(3, 3));
    for (number, partner) in partners.iter_mut().enumerate() {
        partner.write(&[Item::Transaction {
            id: publication.id(),
            bitmap: Bitmap::new([number == 0, number == 1]),
            cells: Cells::new([true]),
        }]);
    }
    (solo, partners, publication)
}

#[test]
fn the_rest_of_a_transaction_is_fetched_at_once() {
    let (mut solo, partners, publication) = listed_in_parts();
    let output = solo.hear(&partners[0], partners[0].frames(0));
    assert_eq!(fetched(&output, &partners[0]), [publication.id()]);
    solo.hear(&partners[1], partners[1].frames(0));
    // The first partner has the first entry only.
    let entries = publication.submission.transaction.entries();
    let mut first = publication.clone();
    let is_first = |id: &_| *id == entries[0].canonical || entries[0].updates.contains(id);
    first.submission.records.retain(|id, _| is_first(id));
    let output = solo.deliver(&partners[0], Delivery::Body, &first);
    assert_eq!(fetched(&output, &partners[1]), [publication.id()]);
    solo.deliver(&partners[1], Delivery::Body, &publication);
    assert_eq!(solo.status().missing, 0);
}

#[test]
fn a_transaction_is_whole_without_entries_of_other_cells() {
    let shape = Shape::new(5, 3);
    let mut cluster = World::new(0, shape.clone());
    let (own, other) = (cluster.name_in(0), cluster.name_in(2));
    assert!(!cluster.replicas(&other).contains(&0));
    let publication = cluster.say(&[&own, &other]);
    let (mut solo, mut partners) = Solo::open(shape);
    partners[0].list(&publication);
    solo.hear(&partners[0], partners[0].frames(0));
    solo.deliver(&partners[0], Delivery::Body, &publication);
    assert_eq!(solo.status().missing, 0);
}
