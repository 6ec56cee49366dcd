//! Transfers and drops: exactly the arcs that change their members between two rings.

use std::collections::BTreeSet;

use kittengrad_ring::{KeyRange, Point, Ring, Transfer};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{members, replicas, ring, ring_of};

proptest! {
    #[test]
    fn a_member_fetches_what_it_will_hold_and_does_not_hold_yet(
        (before, next) in ring_and_next(40),
    ) {
        check_exact(&before, &next)?;
    }

    #[test]
    fn new_members_fetch_everything_they_hold(
        before in ring(15),
        next in ring(15),
    ) {
        check_exact(&before, &next)?;
    }

    #[test]
    fn transfers_are_cut_only_where_their_sources_change((before, next) in ring_and_next(200)) {
        let transfers = before.transfers(&next);
        prop_assert!(transfers.is_sorted_by_key(|transfer| transfer.to));
        for of_one in transfers.chunk_by(|a, b| a.to == b.to) {
            let way = |transfer: &Transfer| KeyRange::new(of_one[0].arc.from, transfer.arc.to).length();
            prop_assert!(of_one.is_sorted_by(|near, far| way(near) < way(far)), "{:?}", of_one);
            let following = of_one.iter().cycle().skip(1);
            let pairs = of_one.iter().zip(following);
            for (transfer, next) in pairs.filter(|(transfer, next)| transfer != next) {
                prop_assert!(transfer.arc.to != next.arc.from || transfer.from != next.from);
            }
        }
    }

    #[test]
    fn what_is_dropped_is_what_an_undo_would_fetch((before, next) in ring_and_next(60)) {
        let undo = next.transfers(&before);
        let dropped = before.drops(&next);
        prop_assert_eq!(dropped.len(), undo.len());
        for (dropped, undo) in dropped.into_iter().zip(undo) {
            prop_assert_eq!((dropped.arc, dropped.by), (undo.arc, undo.to));
            prop_assert_eq!(dropped.kept_by, undo.from);
        }
    }

    #[test]
    fn the_same_ring_moves_nothing(ring in ring(200)) {
        prop_assert_eq!(ring.transfers(&ring), []);
        prop_assert_eq!(ring.drops(&ring), []);
    }
}

/// Compares the transfers with the definition, at the first and the last point of every arc between
/// neighbouring borders: nothing changes inside one, and the transfers begin and end at borders.
fn check_exact(before: &Ring, next: &Ring) -> Result<(), TestCaseError> {
    let borders = borders(before, next);
    let transfers = before.transfers(next);
    for Transfer { arc, .. } in &transfers {
        prop_assert!(
            borders.contains(&arc.from) && borders.contains(&arc.to),
            "{:?} begins and ends at borders",
            arc
        );
    }
    for point in borders
        .iter()
        .flat_map(|&border| [border, brute::after(border)])
    {
        let mut found: Vec<(Point, Vec<Point>)> = transfers
            .iter()
            .filter(|transfer| transfer.arc.contains(point))
            .map(|transfer| (transfer.to, transfer.from.clone()))
            .collect();
        found.sort();
        let from = brute::holders(before, point);
        let expected: Vec<(Point, Vec<Point>)> = brute::holders(next, point)
            .into_iter()
            .filter(|to| !from.contains(to))
            .map(|to| (to, from.clone()))
            .collect();
        prop_assert_eq!(found, expected, "at {}", point);
    }
    Ok(())
}

/// The ends of the cells of both rings.
fn borders(a: &Ring, b: &Ring) -> BTreeSet<Point> {
    a.cells()
        .chain(b.cells())
        .map(|(_, cell)| cell.to)
        .collect()
}

/// Two rings of the same namespace, after some members have come and others have gone.
fn ring_and_next(count_max: usize) -> impl Strategy<Value = (Ring, Ring)> {
    (members(count_max), members(5), members(5), replicas()).prop_map(
        |(staying, leaving, joining, replicas)| {
            let before = ring_of(&staying | &leaving, replicas);
            let next = ring_of(&staying | &joining, replicas);
            (before, next)
        },
    )
}
