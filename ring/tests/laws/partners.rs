//! Partners: the members with whom one shares a cell.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::brute;
use crate::strategies::{ring, ring_and_member};

proptest! {
    #[test]
    fn shared_cells_are_those_that_both_are_replicas_of(ring in ring(30)) {
        let count = ring.members().len();
        for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            let shared: BTreeSet<usize> = ring.shared_cells(a, b).into_iter().collect();
            let expected: BTreeSet<usize> = (0..count)
                .filter(|&cell| [a, b].iter().all(|member| ring.replicas(cell).contains(member)))
                .collect();
            prop_assert_eq!(ring.shared_cells(a, b).len(), shared.len(), "none is listed twice");
            prop_assert_eq!(shared, expected);
        }
    }

    #[test]
    fn partners_are_all_others_with_a_shared_cell_the_closest_first(
        (ring, member) in ring_and_member(200),
    ) {
        let partners = ring.partners(member);
        prop_assert!(partners.is_sorted_by_key(|&partner| brute::places(&ring, member, partner)));
        let distinct: BTreeSet<usize> = partners.iter().copied().collect();
        prop_assert_eq!(distinct.len(), partners.len(), "none is listed twice");
        let expected: BTreeSet<usize> = (0..ring.members().len())
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
