//! Clocks: a peer signs nothing while its clock is far from its partners'.

use kittengrad_node_core::{Event, Refusal};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{block::Item, identity::Heartbeat, link::Message};

use kittengrad_sim::{
    Shape, World,
    story::solo::{Partner, Solo, submit},
};

/// A hello of a partner whose clock is an hour ahead.
fn hour_ahead(partner: &Partner) -> Message {
    partner.hello_with(|hello| hello.time_ms += 3_600_000)
}

/// Keeps S4.
#[test]
fn nobody_settles_by_a_clock_that_is_far_off() {
    let (mut solo, mut partners) = Solo::start(Shape::new(3, 3));
    partners[0].write(&[Item::Gap {
        incarnation: 0,
        from_height: 0,
    }]);
    for partner in &partners {
        solo.meet(partner);
    }
    for partner in &partners {
        solo.hear(partner, hour_ahead(partner));
    }
    // The core has read everything now.
    solo.hear(&partners[0], partners[0].frames(0));
    assert!(solo.status().is_open && solo.status().why_clock.is_some());
    assert!(!solo.status().is_settled && !solo.told.contains(&Event::Settled));
    solo.hear(&partners[0], partners[0].hello(None));
    assert!(solo.status().is_settled && solo.told.contains(&Event::Settled));
}

#[test]
fn the_clock_of_a_partner_that_is_gone_does_not_count() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    for partner in &partners {
        solo.hear(partner, hour_ahead(partner));
    }
    let mut cluster = World::new(0, Shape::new(3, 3));
    let publication = cluster.say(&["a work"]);
    let output = solo.round(vec![submit(1, &publication, Ack::One)]);
    let refused = &output.replies[0].outcome;
    assert!(matches!(refused, Err(Refusal::Clock(_))), "{refused:?}");
    let down = kittengrad_node_core::Input::LinkDown(partners[0].key());
    solo.round(vec![down]);
    assert_eq!(solo.status().why_clock, None);
    let output = solo.round(vec![submit(2, &publication, Ack::One)]);
    assert!(output.replies[0].outcome.is_ok());
}

#[test]
fn the_last_time_that_a_partner_told_counts() {
    let (mut solo, partners) = Solo::open(Shape::new(3, 3));
    assert_eq!(solo.status().clock_behind_ms, 0);
    let now_ms = 1_790_000_000_000;
    for ahead_ms in [60_000_i64, -30_000] {
        for partner in &partners {
            let time_ms = u64::checked_add_signed(now_ms, ahead_ms).unwrap();
            let head = kittengrad_proto::block::Head {
                incarnation: 1,
                height: 0,
                hash: kittengrad_proto::id::Id::ZERO,
            };
            let told = Heartbeat::sign(partner.overlay(), head, time_ms, &partner.signer());
            solo.hear(partner, Message::Alive(told));
        }
        assert_eq!(solo.status().clock_behind_ms, ahead_ms);
    }
    for partner in &partners {
        solo.hear(partner, hour_ahead(partner));
    }
    assert_eq!(solo.status().clock_behind_ms, 3_600_000);
}

#[test]
fn ten_minutes_are_allowed_and_more_are_named() {
    for (ahead_ms, expected) in [
        (600_000, None),
        (600_001, Some("600 s behind")),
        (-600_000, None),
        (-600_001, Some("600 s ahead of")),
    ] {
        let (mut solo, partners) = Solo::open(Shape::new(3, 3));
        for partner in &partners {
            let off = |time_ms: u64| time_ms.checked_add_signed(ahead_ms).unwrap();
            let hello = partner.hello_with(|hello| hello.time_ms = off(hello.time_ms));
            solo.hear(partner, hello);
        }
        let why = solo.status().why_clock;
        assert_eq!(why.is_some(), expected.is_some(), "{ahead_ms}: {why:?}");
        let is_named = why
            .zip(expected)
            .is_none_or(|(why, words)| why.contains(words));
        assert!(is_named, "{ahead_ms}");
    }
}
