//! Partners: the members with whom one shares a cell.

use std::collections::BTreeSet;

use kittengrad_ring::{KeyRange, Length, Point};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{ring, ring_and_member};

proptest! {
    #[test]
    fn shared_cells_are_those_that_both_are_replicas_of(ring in ring(30)) {
        let members = || ring.members().iter().copied();
        for (a, b) in members().flat_map(|a| members().map(move |b| (a, b))) {
            let shared: BTreeSet<Point> = ring.shared_cells(a, b).into_iter().collect();
            let expected: BTreeSet<Point> = members()
                .filter(|&cell| [a, b].iter().all(|member| ring.replicas(cell).contains(member)))
                .collect();
            prop_assert_eq!(ring.shared_cells(a, b).len(), shared.len(), "none is listed twice");
            prop_assert_eq!(shared, expected);
        }
    }

    #[test]
    fn shared_cells_come_clockwise_through_the_arc_of_the_first((ring, a) in ring_and_member(30)) {
        let held = ring.held(a).expect("it is a member");
        for &b in ring.members() {
            let shared = ring.shared_cells(a, b);
            let ends = shared.iter().filter_map(|&cell| ring.cell(cell)).map(|cell| cell.to);
            let ways: Vec<Length> = ends.map(|end| KeyRange::new(held.from, end).length()).collect();
            prop_assert_eq!(ways.len(), shared.len());
            prop_assert!(ways.is_sorted_by(|near, far| near < far), "with {}: {:?}", b, shared);
        }
    }

    #[test]
    fn partners_share_a_cell_and_come_closest_first(
        (ring, member) in ring_and_member(200),
    ) {
        let partners = ring.partners(member);
        prop_assert!(partners.is_sorted_by_key(|&partner| brute::places(&ring, member, partner)));
        let distinct: BTreeSet<Point> = partners.iter().copied().collect();
        prop_assert_eq!(distinct.len(), partners.len(), "none is listed twice");
        let members = ring.members().iter().copied();
        let expected: BTreeSet<Point> = members
            .filter(|&other| other != member && !ring.shared_cells(member, other).is_empty())
            .collect();
        prop_assert_eq!(distinct, expected);
    }

    #[test]
    fn a_partner_of_mine_has_me_as_a_partner((ring, member) in ring_and_member(200)) {
        for partner in ring.partners(member) {
            prop_assert!(ring.partners(partner).contains(&member));
        }
    }
}
