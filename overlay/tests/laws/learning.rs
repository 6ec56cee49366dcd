//! A view learns identities that their certificates allow, and is newer only if one of them is.

use kittengrad_proto::{
    certificate::Role,
    identity::{Identity, IdentityError, State},
};

use kittengrad_overlay::view::View;
use kittengrad_ring::Replicas;

use crate::network::{Member, Network};

/// A network, two peers, and their identities of seq 5.
fn network() -> (Network, [Member; 2], [Identity; 2]) {
    let net = Network::new();
    let members = [1, 2].map(|seed| net.member(100 + seed, Role::Peer));
    let identities = [0, 1].map(|number: usize| net.at(&members[number], "", 5));
    (net, members, identities)
}

#[test]
fn an_identity_with_the_certificates_of_another_is_not_learned() {
    let (net, [first, second], known) = network();
    let claimed = net.at(&net.uncertified(&second), "", 6);
    let heard = [net.at(&first, "", 6), claimed];
    let refused = net.learn(&net.view(&known), heard).unwrap_err();
    assert!(
        matches!(refused, IdentityError::Holder { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_view_is_newer_if_any_of_the_identities_is() {
    let (net, [first, second], known) = network();
    let (newer, older) = (net.at(&first, "", 6), net.at(&second, "", 4));
    for heard in [[newer.clone(), older.clone()], [older, newer.clone()]] {
        let view = net.learn(&net.view(&known), heard).unwrap().unwrap();
        assert_eq!(view.member(&newer.key), Some(&newer));
        assert_eq!(view.me(), Some(newer.key));
    }
}

#[test]
fn a_view_is_not_newer_for_known_and_older_identities() {
    let (net, [_, second], known) = network();
    let older = net.at(&second, "", 4);
    for heard in [vec![], vec![known[0].clone()], vec![older]] {
        assert!(net.learn(&net.view(&known), heard).unwrap().is_none());
    }
}

#[test]
fn a_member_that_left_the_ring_no_longer_sees_it() {
    let (net, [first, _], known) = network();
    let joining = net.identity(&first, "", 6, State::Joining);
    let view = net.learn(&net.view(&known), [joining]).unwrap().unwrap();
    assert_eq!(view.me(), None);
    assert!(view.held_here().is_empty());
}

#[test]
fn a_peer_that_was_unknown_is_in_the_newer_ring() {
    let (net, _, known) = network();
    let view = net.view(&known);
    let third = net.at(&net.member(110, Role::Peer), "", 1);
    let newer = net.learn(&view, [third.clone()]).unwrap().unwrap();
    assert_eq!((view.peers().count(), newer.peers().count()), (2, 3));
    assert!(newer.is_in_ring(&third.key));
    assert_ne!(newer.ring_id(), view.ring_id());

    let aggregator = net.at(&net.member(111, Role::Aggregator), "", 1);
    let newer = net.learn(&view, [aggregator.clone()]).unwrap().unwrap();
    assert!(newer.aggregators().eq([&aggregator]));
    assert_eq!(newer.ring_id(), view.ring_id());
}

#[test]
fn a_newer_view_is_of_the_same_network_and_copies() {
    let (net, [first, _], known) = network();
    let replicas = Replicas::new(5).unwrap();
    let members = known.into_iter().collect();
    let view = View::new(net.overlay.clone(), replicas, members).unwrap();
    let newer = net.learn(&view, [net.at(&first, "", 6)]).unwrap().unwrap();
    assert_eq!(newer.overlay(), &net.overlay);
    assert_eq!(newer.replication(), replicas);
    assert_eq!(newer.me(), None, "an observer stays one");
    assert_eq!(newer.peers().count(), 2);
}

#[test]
fn a_view_stays_if_every_peer_says_that_it_is_joining() {
    let (net, members, known) = network();
    let view = net.view(&known);
    let joining = members.map(|member| net.identity(&member, "", 6, State::Joining));
    assert!(net.learn(&view, joining.clone()).unwrap().is_none());
    let newer = net.learn(&view, joining.into_iter().take(1));
    assert_eq!(newer.unwrap().unwrap().peers().count(), 1);
}
