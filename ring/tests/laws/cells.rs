//! Cells: they tile the circle, one for each member.

use kittengrad_ring::{KeyRange, Point};
use proptest::prelude::*;

use crate::strategies::{critical_points, point, ring};

proptest! {
    #[test]
    fn every_point_lies_in_the_cell_of_its_owner_and_in_no_other(
        ring in ring(60),
        anywhere in prop::collection::vec(point(), 20),
    ) {
        for point in critical_points(&ring).into_iter().chain(anywhere) {
            let owners: Vec<Point> = ring
                .cells()
                .filter(|(_, cell)| cell.contains(point))
                .map(|(owner, _)| owner)
                .collect();
            prop_assert_eq!(owners, [ring.owner(point)]);
        }
    }

    #[test]
    fn cells_tile_the_circle(ring in ring(200)) {
        let cells: Vec<KeyRange> = ring.cells().map(|(_, cell)| cell).collect();
        let following = cells.iter().cycle().skip(1);
        prop_assert!(cells.iter().zip(following).all(|(cell, next)| cell.to == next.from));
        let shares: f64 = cells.iter().map(KeyRange::share).sum();
        prop_assert!((shares - 1.0).abs() < 1e-9, "they go round {} times", shares);
    }

    #[test]
    fn cells_are_listed_with_their_owners(ring in ring(60)) {
        prop_assert!(ring.cells().map(|(owner, _)| owner).eq(ring.members().iter().copied()));
        for (owner, cell) in ring.cells() {
            prop_assert_eq!(ring.cell(owner), Some(cell));
        }
    }
}
