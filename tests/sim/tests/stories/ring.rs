//! A ring that changes: a peer uses the newest view that it was given.

use kittengrad_node_core::Input;
use kittengrad_proto::id::PublicKey;
use kittengrad_sim::{Shape, story::solo::Solo};

fn partners(solo: &Solo) -> Vec<PublicKey> {
    let partners = solo.status().partners.into_iter();
    partners.map(|(key, _)| key).collect()
}

#[test]
fn a_partner_that_left_the_view_is_not_answered() {
    let (mut solo, all) = Solo::open(Shape::new(5, 3));
    let (gone, staying) = all.split_first().unwrap();
    let fetch = |partner: &kittengrad_sim::story::solo::Partner| {
        let message = kittengrad_proto::link::Message::Fetch(Vec::new());
        vec![Input::Message(partner.key(), message)]
    };
    assert_eq!(solo.round(fetch(gone)).sends.len(), 1);
    solo.round(vec![Input::View(solo.view_with(staying))]);
    assert!(!partners(&solo).contains(&gone.key()));
    assert!(solo.round(fetch(gone)).sends.is_empty());
    assert_eq!(solo.round(fetch(&staying[0])).sends.len(), 1);
}

#[test]
fn a_partner_that_came_into_the_view_is_greeted() {
    let (mut solo, all) = Solo::open(Shape::new(5, 3));
    let (newcomer, before) = all.split_first().unwrap();
    solo.round(vec![Input::View(solo.view_with(before))]);
    let up = || vec![Input::LinkUp(newcomer.key())];
    assert!(solo.round(up()).sends.is_empty(), "it is not a partner");
    solo.round(vec![Input::View(solo.view_with(&all))]);
    assert!(partners(&solo).contains(&newcomer.key()));
    let sends = solo.round(up()).sends;
    assert!(sends.iter().any(|send| send.to == newcomer.key()));
}

#[test]
fn a_partner_that_stays_in_the_view_stays_connected() {
    let (mut solo, all) = Solo::open(Shape::new(5, 3));
    solo.round(vec![Input::View(solo.view_with(&all[1..]))]);
    for partner in &all[1..] {
        let of = solo.status_of(partner);
        assert!(of.is_up && of.is_open && of.is_settled);
    }
}

#[test]
fn a_peer_is_not_settled_in_an_arc_that_it_gained() {
    let (mut solo, all) = Solo::open(Shape::new(7, 3));
    assert!(solo.status().is_settled);
    // With fewer members, each member holds more of the circle.
    solo.round(vec![Input::View(solo.view_with(&all[..4]))]);
    assert!(!solo.status().is_settled);
    solo.round(vec![Input::View(solo.view_with(&all))]);
    assert!(solo.status().is_settled, "it still has its old arc");
}
