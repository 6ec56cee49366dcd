//! Rings: which members make one, and which number of replicas.

use std::collections::BTreeSet;

use kittengrad_ring::{Point, Replicas, ReplicasError, Ring, RingError};
use proptest::prelude::*;

use crate::strategies::{members, ring_of};

proptest! {
    #[test]
    fn the_order_in_which_members_are_given_does_not_matter(shuffled in shuffled(200)) {
        let ring = ring_of(shuffled.clone(), Replicas::default());
        prop_assert_eq!(ring, ring_of(BTreeSet::from_iter(shuffled), Replicas::default()));
    }

    #[test]
    fn a_member_is_found_at_its_point_and_nobody_elsewhere(
        members in members(200),
        stranger in any::<[u8; 32]>(),
    ) {
        let ring = ring_of(members.clone(), Replicas::default());
        for &member in ring.members() {
            prop_assert!(ring.has_member(member));
        }
        let stranger = Point::new(stranger);
        prop_assert_eq!(ring.has_member(stranger), members.contains(&stranger));
    }

    #[test]
    fn a_stranger_owns_holds_and_shares_nothing(
        members in members(40),
        stranger in any::<[u8; 32]>().prop_map(Point::new),
    ) {
        prop_assume!(!members.contains(&stranger));
        let ring = ring_of(members, Replicas::default());
        let member = ring.members()[0];
        prop_assert_eq!(ring.cell(stranger), None);
        prop_assert_eq!(ring.held(stranger), None);
        prop_assert!(!ring.holds(stranger, stranger));
        prop_assert_eq!(ring.replicas(stranger), []);
        prop_assert_eq!(ring.partners(stranger), []);
        prop_assert_eq!(ring.shared_cells(stranger, member), []);
        prop_assert_eq!(ring.shared_cells(member, stranger), []);
    }
}

#[test]
fn a_ring_without_members_is_refused() {
    let refused = Ring::new([], Replicas::default());
    assert_eq!(refused, Err(RingError::Empty));
    assert_eq!(
        RingError::Empty.to_string(),
        "a ring needs at least one member"
    );
}

#[test]
fn a_member_given_twice_is_refused() {
    let twice = Point::new([0x11; 32]);
    let refused = Ring::new([twice, Point::ZERO, twice], Replicas::default());
    assert_eq!(refused, Err(RingError::Duplicate(twice)));
    assert_eq!(
        RingError::Duplicate(twice).to_string(),
        format!("two members stand at point {}", "11".repeat(32)),
    );
}

#[test]
fn replicas_are_odd_and_a_majority_of_them_is_the_quorum() {
    for replicas in 0..=u8::MAX {
        match Replicas::new(replicas) {
            Ok(accepted) => {
                assert_eq!(accepted.get(), usize::from(replicas));
                assert_eq!(accepted.to_u8(), replicas);
                assert_eq!(accepted.to_string(), replicas.to_string());
                assert_eq!(accepted.get(), 2 * accepted.h() + 1);
                assert!(
                    2 * accepted.quorum() > accepted.get()
                        && 2 * (accepted.quorum() - 1) < accepted.get()
                        && accepted.all(accepted.get()) == accepted.get()
                        && accepted.all(1) == accepted.quorum()
                );
            }
            Err(refused) => {
                assert!(replicas.is_multiple_of(2));
                assert_eq!(refused, ReplicasError { replicas });
            }
        }
    }
    let refused = Replicas::new(4).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the number of replicas must be odd, not 4"
    );
}

#[test]
fn three_copies_are_kept_by_default() {
    assert_eq!(Replicas::default().get(), 3);
}

#[test]
fn a_ring_tells_its_configured_number_of_copies() {
    for replicas in [1, 3, 7] {
        let replicas = Replicas::new(replicas).expect("it is odd");
        assert_eq!(ring_of([Point::ZERO], replicas).replication(), replicas);
    }
    let members = [Point::ZERO, Point::MAX];
    let [three, five] = [3, 5].map(|replicas| Replicas::new(replicas).expect("it is odd"));
    assert_ne!(ring_of(members, three), ring_of(members, five));
}

fn shuffled(count_max: usize) -> impl Strategy<Value = Vec<Point>> {
    members(count_max).prop_flat_map(|members| Just(Vec::from_iter(members)).prop_shuffle())
}
