//! Owners: a point belongs to the closest member in either direction.

use kittengrad_ring::{Point, Replicas};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{critical_points, point, ring, ring_of};

proptest! {
    #[test]
    fn the_owner_is_the_closest_member(
        ring in ring(200),
        anywhere in prop::collection::vec(point(), 20),
    ) {
        for point in critical_points(&ring).into_iter().chain(anywhere) {
            prop_assert_eq!(ring.owner(point), brute::owner(&ring, point), "of {}", point);
        }
    }

    #[test]
    fn a_member_owns_its_own_point(ring in ring(200)) {
        for &member in ring.members() {
            prop_assert_eq!(ring.owner(member), member);
        }
    }

    #[test]
    fn a_lone_member_owns_everything(member in point(), anywhere in point()) {
        let ring = ring_of([member], Replicas::default());
        prop_assert_eq!(ring.owner(anywhere), member);
        prop_assert!(ring.cell(member).is_some_and(|cell| cell.is_whole()));
    }
}

#[test]
fn exactly_between_two_members_the_first_clockwise_owns() {
    let first_byte = |byte| {
        let mut bytes = [0; 32];
        bytes[0] = byte;
        Point::new(bytes)
    };
    let (a, b) = (first_byte(0x00), first_byte(0x40));
    let ring = ring_of([a, b], Replicas::default());
    assert_eq!(ring.owner(first_byte(0x20)), a);
    assert_eq!(ring.owner(brute::after(first_byte(0x20))), b);
    assert_eq!(ring.owner(first_byte(0xa0)), b);
    assert_eq!(ring.owner(brute::after(first_byte(0xa0))), a);
}
