//! Filling: a peer that lost its disk reports to be filling until it has everything again.

use kittengrad_node_core::Event;
use kittengrad_proto::block::Item;

use kittengrad_sim::{
    Publication, Shape, World,
    story::solo::{Solo, frames},
};

fn write(c: &mut World, member: usize, count: usize) -> Vec<Publication> {
    let mut all = Vec::new();
    for _ in 0..count {
        let name = c.name_in(member);
        let publication = c.say(&[&name]);
        c.put(member, &publication);
        all.push(publication);
    }
    all
}

fn settled(c: &World, member: usize) -> usize {
    c.told(member)
        .iter()
        .filter(|told| **told == Event::Settled)
        .count()
}

#[test]
fn a_new_network_settles_once_all_said_that_they_have_nothing() {
    for (peers, replicas) in [(1, 3), (2, 3), (3, 3), (5, 3), (7, 5)] {
        let c = World::booted(1, Shape::new(peers, replicas));
        assert!(
            c.members()
                .into_iter()
                .all(|member| settled(&c, member) == 1)
        );
    }
}

#[test]
fn wiped_peer_fills_until_it_has_all_that_was_acknowledged() {
    for (peers, replicas) in [(3, 3), (5, 3), (5, 5), (7, 5)] {
        let mut c = World::booted(1, Shape::new(peers, replicas));
        let mut all = write(&mut c, 1, 40);
        c.settle();
        c.wipe(1);
        all.extend(write(&mut c, 0, 40));
        c.start(1);
        c.run_until("it to open", |c| c.status(1).is_open);
        assert!(!c.status(1).is_settled);
        c.run_until("it to settle", |c| settled(c, 1) == 2);
        assert!(all.iter().all(|publication| c.has(1, publication)));
        for publication in &all {
            assert!(c.bodies(1, publication).1 <= 1, "a body moves once");
        }
        c.settle();
        c.assert_nothing_is_lost();
    }
}

/// Keeps S1.
#[test]
fn nobody_settles_without_those_who_may_have_what_was_lost() {
    let mut c = World::booted(1, Shape::new(3, 3));
    // The writes are on 0 and 1 only. If 1 loses them, 0 alone has them, and 2 cannot know.
    c.crash(2);
    let all = write(&mut c, 1, 5);
    c.start(2);
    c.isolate(0);
    c.wipe(1);
    c.start(1);
    c.run_for(20_000);
    assert!(c.status(1).is_open && !c.status(1).is_settled);
    c.heal();
    c.settle();
    assert!(all.iter().all(|publication| c.has(1, publication)));
}

#[test]
fn two_wiped_peers_do_not_settle_on_each_others_word() {
    let mut c = World::booted(1, Shape::new(5, 5));
    c.isolate(3);
    c.isolate(4);
    let all = write(&mut c, 0, 5);
    // The writes are on 0, 1 and 2, and after the wipes on 2 alone, which 0 and 1 do not reach.
    for lost in [0, 1] {
        c.wipe(lost);
    }
    c.heal();
    for lost in [0, 1] {
        c.cut(lost, 2);
        c.start(lost);
    }
    c.cut(2, 3);
    c.cut(2, 4);
    c.run_for(20_000);
    for lost in [0, 1] {
        assert!(c.status(lost).is_open && !c.status(lost).is_settled);
    }
    c.heal();
    c.settle();
    assert!(
        all.iter()
            .all(|publication| c.has(0, publication) && c.has(1, publication))
    );
}

/// Keeps S1.
#[test]
fn what_a_partner_tells_later_is_read_before_settling() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    let gap = |height| Item::Gap {
        incarnation: 0,
        from_height: height,
    };
    // The partner had nothing at its hello and opened later.
    solo.meet(&partners[0]);
    partners[0].write(&[gap(0)]);
    solo.hear(&partners[0], partners[0].hello(None));
    partners[0].write(&[gap(1)]);
    solo.hear(&partners[0], partners[0].hello(None));
    solo.meet(&partners[1]);
    assert!(solo.status().is_open && !solo.status().is_settled);
    let first = frames(&partners[0].blocks[..1], partners[0].blocks.last());
    solo.hear(&partners[0], first);
    assert!(!solo.status().is_settled);
    solo.hear(&partners[0], partners[0].frames(1));
    assert!(solo.status().is_settled);
}

#[test]
fn a_filling_peer_counts_for_new_writes() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.wipe(1);
    c.crash(2);
    c.start(1);
    c.run_until("it to open", |c| c.status(1).is_open);
    let name = c.name();
    let publication = c.say(&[&name]);
    assert_eq!(c.put(0, &publication).synced, [c.key(0), c.key(1)]);
    assert!(!c.status(1).is_settled);
    c.start(2);
    c.settle();
}

/// Keeps S1.
#[test]
fn all_disks_lost_one_after_another_lose_nothing() {
    let mut c = World::booted(1, Shape::new(5, 3));
    for member in c.members() {
        write(&mut c, member, 10);
    }
    for member in c.members() {
        c.wipe(member);
        c.start(member);
        c.settle();
        c.assert_nothing_is_lost();
    }
}
