//! Starting: a peer signs nothing before its partners told what they saw, and never two blocks for one height.

use kittengrad_node_core::{Event, Input, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_plants::Plants;
use kittengrad_proto::block::{Head, Item};

use kittengrad_sim::{
    Shape, World,
    story::{planted::late_witness, solo::Solo},
};

/// Runs until a machine's processes opened a number of times.
fn until_opened(c: &mut World, member: usize, times: usize) {
    c.run_until("it to open", |c| opened(c, member).len() == times);
}

/// The incarnations that a machine's processes opened, in order.
fn opened(c: &World, member: usize) -> Vec<u64> {
    let opened = c.told(member).iter().filter_map(|told| match told {
        Event::Opened { incarnation, .. } => Some(*incarnation),
        _ => None,
    });
    opened.collect()
}

fn write(c: &mut World, member: usize, count: usize) {
    for _ in 0..count {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.put(member, &publication);
    }
}

/// Keeps S7.
#[test]
fn nobody_signs_before_a_quorum_less_one_of_partners_answered() {
    let mut c = World::new(1, Shape::new(5, 5));
    c.start(0);
    c.start(1);
    c.run_for(20_000);
    assert!(!c.status(0).is_open && !c.status(1).is_open);
    c.start(2);
    c.run_until("three to open", |c| {
        (0..3).all(|member| c.status(member).is_open)
    });
}

#[test]
fn an_opening_tells_the_incarnation_and_what_came_before() {
    let opening = |solo: &Solo| {
        let told = solo.told.iter().rev().find_map(|told| match told {
            Event::Opened {
                incarnation,
                began_after,
            } => Some((*incarnation, *began_after)),
            _ => None,
        });
        told.unwrap()
    };
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    let tip = solo.status().tip.unwrap().head;
    assert_eq!(opening(&solo), (tip.incarnation, Some(None)));
    solo.restart();
    for partner in &partners {
        solo.meet(partner);
    }
    assert_eq!(opening(&solo), (tip.incarnation, None));
    // A partner saw more than the disk has.
    solo.restart();
    let seen = Head {
        height: tip.height + 2,
        ..tip
    };
    let told = partners[0].hello(Some(solo.signed(seen)));
    let told = Input::Message(partners[0].key(), told);
    solo.round(vec![Input::LinkUp(partners[0].key()), told]);
    solo.meet(&partners[1]);
    let begun = solo.status().tip.unwrap().head.incarnation;
    assert_eq!(opening(&solo), (begun, Some(Some(seen))));
    assert!(begun > tip.incarnation);
}

#[test]
fn start_waits_for_every_partner_up_to_the_suspicion_time() {
    let shape = Shape::new(3, 3);
    let mut c = World::new(1, shape.clone());
    c.start_all();
    c.run_for(shape.timing.suspicion_ms / 2);
    assert!(
        c.members()
            .into_iter()
            .all(|member| c.status(member).is_open)
    );
    let mut c = World::new(1, shape.clone());
    c.start(0);
    c.start(1);
    c.run_for(shape.timing.suspicion_ms - 100);
    assert!(!c.status(0).is_open);
    c.run_until("two to open", |c| {
        c.status(0).is_open && c.status(1).is_open
    });
}

#[test]
fn an_intact_disk_goes_on_where_it_was_and_stays_settled() {
    let mut c = World::booted(1, Shape::new(3, 3));
    write(&mut c, 0, 5);
    for member in c.members() {
        c.restart(member);
    }
    for member in c.members() {
        until_opened(&mut c, member, 2);
        assert!(c.status(member).is_settled);
        let opened = opened(&c, member);
        assert_eq!(opened[0], opened[1]);
        assert_eq!(c.incarnations(member).len(), 1);
    }
    write(&mut c, 0, 5);
    c.settle();
}

/// Keeps S7.
#[test]
fn disk_that_forgot_begins_a_new_incarnation_and_fills() {
    let mut c = World::booted(1, Shape::new(3, 3));
    write(&mut c, 0, 5);
    let lying = c.save(0);
    let kept = c.blocks(0).last().unwrap().head();
    write(&mut c, 0, 5);
    let seen = c.blocks(0).last().unwrap().head();
    c.restore(0, lying);
    c.start(0);
    c.run_until("it to open", |c| c.status(0).is_open);
    assert!(!c.status(0).is_settled);
    c.settle();
    c.assert_nothing_is_lost();
    let first = c
        .blocks(0)
        .into_iter()
        .find(|block| block.header.incarnation > kept.incarnation);
    let first = first.expect("a new incarnation");
    assert_eq!((first.header.height, first.header.fork), (0, Some(kept)));
    let gap = Item::Gap {
        incarnation: kept.incarnation,
        from_height: kept.height + 1,
    };
    assert!(first.decode_items().unwrap().contains(&gap));
    assert!(first.header.incarnation > seen.incarnation);
}

/// Keeps S7.
#[test]
fn the_highest_head_a_partner_ever_told_counts() {
    let beyond = Some(2);
    // A partner may see more before it says hello again, or lose its memory.
    for told in [
        [Some(0), beyond],
        [beyond, Some(0)],
        [None, beyond],
        [beyond, None],
    ] {
        let (mut solo, partners) = Solo::open(Shape::new(3, 3));
        let tip = solo.status().tip.unwrap().head;
        solo.restart();
        for ahead in told {
            let seen = ahead.map(|ahead| Head {
                height: tip.height + ahead,
                ..tip
            });
            let hello = partners[0].hello(seen.map(|seen| solo.signed(seen)));
            let hello = Input::Message(partners[0].key(), hello);
            solo.round(vec![Input::LinkUp(partners[0].key()), hello]);
            assert!(!solo.status().is_open);
        }
        solo.meet(&partners[1]);
        let begun = solo.status().tip.unwrap().head;
        assert!(begun.incarnation > tip.incarnation, "{told:?}");
    }
}

/// Keeps S7.
#[test]
fn wiped_peer_with_a_late_clock_begins_after_what_was_seen() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let before = c.incarnations(0)[0];
    c.skew(0, -500_000);
    c.wipe(0);
    c.start(0);
    c.settle();
    assert!(c.incarnations(0)[0] > before);
    write(&mut c, 0, 5);
    c.settle();
}

/// Keeps S7.
#[test]
fn forgotten_incarnations_do_not_repeat_when_clocks_go_back() {
    let mut c = World::booted(1, Shape::new(3, 3));
    write(&mut c, 0, 2);
    c.settle();
    let others = [1, 2].map(|other| (other, c.save(other)));
    c.skew(0, -500_000);
    c.wipe(0);
    c.start(0);
    c.settle();
    let lost = c.incarnations(0)[0];
    // The witnesses forget it too.
    for (other, old) in others {
        c.restore(other, old);
        c.start(other);
    }
    c.wipe(0);
    c.start(0);
    until_opened(&mut c, 0, 3);
    assert!(c.incarnations(0)[0] > lost);
}

#[test]
fn witness_remembers_across_a_restart_what_it_saw_of_a_peer() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let lying = c.save(0);
    // The only witness never applies what it saw, because it cannot fetch.
    c.crash(2);
    c.set_space(1, false);
    let name = c.name();
    let publication = c.say(&[&name]);
    c.submit(0, &publication, Ack::One);
    c.run_for(3_000);
    assert!(!c.has(1, &publication));
    c.restart(1);
    c.restore(0, lying);
    c.start(0);
    until_opened(&mut c, 0, 2);
    assert!(opened(&c, 0)[0] < opened(&c, 0)[1]);
}

/// Keeps S7.
#[test]
fn a_peer_whose_only_witness_comes_late_signs_nothing_twice() {
    assert_eq!(late_witness(Plants::NONE), None);
}

/// Keeps S4.
#[test]
fn blocks_are_never_earlier_than_the_ones_before_them() {
    let mut c = World::booted(1, Shape::new(3, 3));
    for skew_ms in [0, 500_000, -500_000, -400_000, 0] {
        c.skew(0, skew_ms);
        write(&mut c, 0, 2);
        c.restart(0);
        c.run_until("it to open", |c| c.status(0).is_open);
        write(&mut c, 0, 2);
    }
    c.settle();
    let times: Vec<_> = c
        .blocks(0)
        .iter()
        .map(|block| block.header.time_ms)
        .collect();
    assert!(times.is_sorted());
    assert_eq!(c.incarnations(0).len(), 1);
}

/// Keeps S4.
#[test]
fn peer_signs_nothing_while_its_clock_is_far_from_the_others() {
    let mut c = World::booted(1, Shape::new(3, 3));
    write(&mut c, 0, 1);
    let height = c.status(0).tip.unwrap().head.height;
    c.skew(0, 3_600_000);
    c.run_for(2_000);
    assert!(c.status(0).why_clock.is_some() && c.status(1).why_clock.is_none());
    let name = c.name();
    let publication = c.say(&[&name]);
    let refused = c.ask_for(0, &publication, Ack::Quorum);
    assert!(matches!(refused, Err(Refusal::Clock(_))), "{refused:?}");
    assert!(!c.put(1, &publication).synced.contains(&c.key(0)));
    c.run_for(2_000);
    assert_eq!(c.status(0).tip.unwrap().head.height, height);
    c.skew(0, -86_400_000);
    c.restart(0);
    c.run_for(20_000);
    assert!(!c.status(0).is_open);
    c.skew(0, 0);
    c.settle();
    assert!(c.has(0, &publication));
}

#[test]
fn old_disk_that_was_given_up_is_read_from_its_beginning() {
    let mut c = World::booted(1, Shape::new(3, 3));
    write(&mut c, 0, 3);
    c.settle();
    c.isolate(0);
    // The write is only on this disk, which is then replaced.
    let name = c.name();
    let publication = c.say(&[&name]);
    c.submit(0, &publication, Ack::One);
    c.run_for(1_000);
    let old = c.save(0);
    c.wipe(0);
    c.heal();
    c.start(0);
    c.settle();
    assert!(!c.has(1, &publication));
    c.restore(0, old);
    c.start(0);
    c.settle();
    assert!(c.has(1, &publication) && c.has(2, &publication));
}
