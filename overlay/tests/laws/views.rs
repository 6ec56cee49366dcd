//! A view answers by keys as its ring answers by points.

use kittengrad_overlay::view::StrangerError;
use kittengrad_proto::{
    certificate::Role,
    identity::{State, ring_id},
};
use kittengrad_ring::RingError;
use proptest::prelude::*;

use crate::samples::{canonicals, identity, key, overlay, peer, view};

proptest! {
    #[test]
    fn arcs_here_are_the_cells_that_this_process_keeps(peers in 1..12_u8, half in 0..3_u8) {
        let view = view(peers, 2 * half + 1, []);
        prop_assert!(view.arcs_here().arcs().is_empty());
        for member in 1..=peers {
            let view = view.clone().seen_by(key(member)).unwrap();
            let holds = view.arcs_here();
            prop_assert_eq!(holds.ranges(), view.held_here());
            let cells = view.cells_here();
            prop_assert_eq!(holds.arcs().len(), cells.len());
            prop_assert!(cells.iter().all(|cell| holds.arcs().contains(&cell.arc())));
            for canonical in canonicals() {
                prop_assert_eq!(holds.contains(canonical.point()), view.holds_here(&canonical));
            }
        }
    }

    #[test]
    fn keys_and_points_name_the_same_members(peers in 1..12_u8, half in 0..3_u8) {
        let view = view(peers, 2 * half + 1, []);
        let ring = view.ring();
        prop_assert!(view.peers().map(|peer| peer.key.point()).eq(ring.members().iter().copied()));
        for member in view.peers() {
            let (key, point) = (member.key, member.key.point());
            prop_assert_eq!(view.key_at(point), Some(key));
            prop_assert_eq!(view.held(&key), ring.held(point));
            prop_assert_eq!(view.cell(&key).map(|cell| cell.arc()), ring.cell(point));
        }
        for canonical in canonicals() {
            let point = canonical.point();
            let cell = view.cell_of(&canonical);
            prop_assert_eq!(cell.owner.point(), ring.owner(point));
            prop_assert_eq!(view.cell(&cell.owner), Some(cell));
            prop_assert!(cell.arc().contains(point));
            let keys = view.keys_holding(&canonical);
            prop_assert_eq!(&view.replicas(&cell), &keys);
            prop_assert!(keys.iter().map(|key| key.point()).eq(ring.replicas_of(point)));
            let holders = view.holders(&canonical);
            prop_assert!(holders.iter().map(|holder| holder.key).eq(keys.iter().copied()));
            for member in view.peers() {
                let holds = view.holds(&member.key, &canonical);
                prop_assert_eq!(holds, ring.holds(member.key.point(), point));
                prop_assert_eq!(holds, keys.contains(&member.key));
            }
        }
    }

    #[test]
    fn a_member_sees_what_it_holds(peers in 1..12_u8, half in 0..3_u8, me in 1..12_u8) {
        prop_assume!(me <= peers);
        let me = key(me);
        let view = view(peers, 2 * half + 1, []).seen_by(me).unwrap();
        prop_assert_eq!(view.me(), Some(me));
        prop_assert!(view.held_here().arcs().iter().copied().eq(view.held(&me)));
        for canonical in canonicals() {
            prop_assert_eq!(view.holds_here(&canonical), view.holds(&me, &canonical));
        }
        let mut cells: Vec<_> = canonicals()
            .filter(|canonical| view.holds_here(canonical))
            .map(|canonical| view.cell_of(&canonical))
            .collect();
        cells.sort();
        cells.dedup();
        let here = view.cells_here();
        prop_assert!(cells.iter().all(|cell| here.contains(cell)));
        let partners = view.partners();
        prop_assert!(!partners.contains(&me));
        let sharing: Vec<_> = here.iter().flat_map(|cell| view.replicas(cell)).collect();
        prop_assert!(sharing.iter().all(|member| *member == me || partners.contains(member)));
        prop_assert!(partners.iter().all(|partner| sharing.contains(partner)));
    }

    #[test]
    fn cells_come_clockwise_and_partners_closest_first(
        peers in 1..12_u8,
        half in 0..3_u8,
        me in 1..12_u8,
    ) {
        prop_assume!(me <= peers);
        let me = key(me);
        let view = view(peers, 2 * half + 1, []).seen_by(me).unwrap();
        let ring = view.ring();
        let cells = view.cells_here();
        let owners = cells.iter().map(|cell| cell.owner.point());
        prop_assert!(owners.eq(ring.shared_cells(me.point(), me.point())));
        prop_assert!(cells.windows(2).all(|pair| pair[0].arc().to == pair[1].arc().from));
        let partners = view.partners();
        let points = partners.iter().map(|partner| partner.point());
        prop_assert!(points.eq(ring.partners(me.point())));
    }
}

#[test]
fn a_joining_peer_is_named_and_not_in_the_ring() {
    let joiner = identity(9, 1, Role::Peer, State::Joining);
    let with = view(3, 3, [joiner.clone()]);
    assert_eq!(with.ring().members().len(), 3);
    assert!(!with.is_in_ring(&joiner.key));
    assert_eq!(
        (with.held(&joiner.key), with.cell(&joiner.key)),
        (None, None)
    );
    assert!(with.joining().map(|peer| peer.key).eq([joiner.key]));
    assert_eq!(with.key_at(joiner.key.point()), None);
    assert_eq!(with.member(&joiner.key), Some(&joiner));
    assert!(canonicals().all(|canonical| !with.holds(&joiner.key, &canonical)));
    let peers = with.peers().chain(with.joining());
    let named = ring_id(
        with.replication(),
        peers.map(|peer| (&peer.key, peer.state)),
    );
    assert_eq!(with.ring_id(), named);
    assert_ne!(with.ring_id(), view(3, 3, []).ring_id());
    assert_eq!(
        with.seen_by(joiner.key).unwrap_err(),
        StrangerError(joiner.key)
    );
}

#[test]
fn a_leaving_peer_is_in_the_ring() {
    let leaver = identity(2, 2, Role::Peer, State::Leaving);
    let view = view(3, 3, [leaver.clone()]);
    assert_eq!(view.ring().members().len(), 3);
    assert!(view.is_in_ring(&leaver.key));
    assert_eq!(view.joining().count(), 0);
    let named = view.peers().map(|peer| (&peer.key, peer.state));
    assert_eq!(view.ring_id(), ring_id(view.replication(), named));
}

#[test]
fn only_peers_join_the_ring() {
    let [aggregator, indexer] = [(8, Role::Aggregator), (9, Role::Indexer)]
        .map(|(number, role)| identity(number, 1, role, State::Joining));
    let view = view(3, 3, [aggregator, indexer]);
    assert_eq!(view.joining().count(), 0);
    assert_eq!(view.aggregators().count() + view.indexers().count(), 2);
}

#[test]
fn the_id_of_a_ring_names_its_peers_and_its_copies_alone() {
    let aggregator = identity(9, 1, Role::Aggregator, State::Active);
    let moved = identity(3, 2, Role::Peer, State::Active);
    let id = view(3, 3, []).ring_id();
    assert_eq!(view(3, 3, [aggregator, moved]).ring_id(), id);
    assert_ne!(view(4, 3, []).ring_id(), id);
    assert_ne!(view(3, 5, []).ring_id(), id);
}

#[test]
fn a_cell_of_another_ring_is_kept_where_its_end_is() {
    let (small, large) = (view(3, 1, []), view(9, 1, []));
    for peer in small.peers() {
        let cell = small.cell(&peer.key).unwrap();
        assert_ne!(large.cell(&peer.key), Some(cell), "another cell");
        let end = large.cell_at(cell.arc().to);
        assert_eq!(large.replicas(&cell), [end.owner]);
    }
}

#[test]
fn every_member_holds_everything_up_to_r_members() {
    for (members, replicas) in [(1, 3), (3, 3), (5, 5)] {
        assert!(view(members, replicas, []).is_everywhere());
    }
    for (members, replicas) in [(2, 1), (4, 3), (6, 5)] {
        assert!(!view(members, replicas, []).is_everywhere());
    }
}

#[test]
fn aggregators_and_indexers_hold_nothing() {
    let aggregator = identity(8, 1, Role::Aggregator, State::Active);
    let indexer = identity(9, 1, Role::Indexer, State::Active);
    let view = view(3, 3, [aggregator.clone(), indexer.clone()]);
    assert!(view.aggregators().eq([&aggregator]));
    assert!(view.indexers().eq([&indexer]));
    assert!(!view.is_in_ring(&aggregator.key) && !view.is_in_ring(&indexer.key));
    assert_eq!(view.identities().len(), 5);
}

#[test]
fn a_view_of_nobody_in_the_ring_is_refused() {
    use kittengrad_overlay::view::View;
    let joiner = identity(1, 1, Role::Peer, State::Joining);
    let replicas = kittengrad_ring::Replicas::default();
    let refused = View::new(overlay(), replicas, [joiner].into_iter().collect());
    assert_eq!(refused.unwrap_err(), RingError::Empty);
}

#[test]
fn an_observer_holds_nothing_and_has_no_partners() {
    let view = view(5, 3, []);
    assert_eq!(view.me(), None);
    assert!(view.held_here().is_empty() && view.cells_here().is_empty());
    assert!(view.partners().is_empty());
    assert!(canonicals().all(|canonical| !view.holds_here(&canonical)));
}

#[test]
fn holders_of_all_hold_each_of_them() {
    let view = view(7, 3, []);
    let [a, b] = [1, 2].map(|byte: u8| kittengrad_proto::id::RecordId::of(&[byte]));
    let both = view.holders_of_all([&a, &b]);
    let expected = view.keys_holding(&a);
    let expected = expected.into_iter().filter(|key| view.holds(key, &b));
    assert!(both.into_iter().eq(expected));
    let everything: Vec<_> = canonicals().collect();
    assert!(
        view.holders_of_all(&everything).is_empty(),
        "nobody of 7 holds everything"
    );
    assert!(view.holders_of_all([]).is_empty());
    assert_eq!(view.holders(&a)[0], &peer_of(&view.keys_holding(&a)[0]));
}

fn peer_of(key: &kittengrad_proto::id::PublicKey) -> kittengrad_proto::identity::Identity {
    let peers = (1..=7).map(peer);
    peers.into_iter().find(|peer| peer.key == *key).unwrap()
}
