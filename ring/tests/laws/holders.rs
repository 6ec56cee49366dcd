//! Replicas: only the owner of a point and its h neighbours on each side hold it.

use std::collections::BTreeSet;

use kittengrad_ring::Point;
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{critical_points, point, ring, ring_and_member};

proptest! {
    #[test]
    fn replicas_are_the_owner_first_and_all_within_h_places(
        ring in ring(200),
        anywhere in point(),
    ) {
        let replicas = ring.replicas_of(anywhere);
        let from_owner = |&member: &Point| brute::places(&ring, replicas[0], member);
        prop_assert_eq!(replicas[0], ring.owner(anywhere));
        prop_assert!(replicas.is_sorted_by_key(from_owner));
        prop_assert_eq!(replicas.len(), ring.replication().get().min(ring.members().len()));
        let distinct: BTreeSet<Point> = replicas.into_iter().collect();
        prop_assert_eq!(Vec::from_iter(distinct), brute::holders(&ring, anywhere));
    }

    #[test]
    fn a_member_holds_what_it_is_a_replica_of(
        (ring, member) in ring_and_member(100),
        anywhere in prop::collection::vec(point(), 20),
    ) {
        for point in critical_points(&ring).into_iter().chain(anywhere) {
            let expected = brute::holders(&ring, point).contains(&member);
            prop_assert_eq!(ring.holds(member, point), expected);
            prop_assert_eq!(ring.held(member).is_some_and(|held| held.contains(point)), expected);
        }
    }

    #[test]
    fn with_no_more_members_than_replicas_each_holds_everything(
        (ring, member) in ring_and_member(10),
    ) {
        let everything = ring.members().len() <= ring.replication().get();
        prop_assert_eq!(ring.held(member).is_some_and(|held| held.is_whole()), everything);
    }

    #[test]
    fn all_that_members_hold_adds_up_to_r_circles(ring in ring(200)) {
        let copies = ring.replication().get().min(ring.members().len());
        let held = ring.members().iter().filter_map(|&member| ring.held(member));
        let held: f64 = held.map(|held| held.share()).sum();
        prop_assert!((held - copies as f64).abs() < 1e-9, "{} circles are held", held);
    }
}
