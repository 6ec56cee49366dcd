//! A view learns identities that their certificates allow, and is newer only if one of them is.

use kittengrad_proto::{
    certificate::Role,
    identity::{Identity, IdentityError, State},
};

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
