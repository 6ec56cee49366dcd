//! Joins and leaves: one member comes or goes, and only its neighbourhood notices.

use std::collections::BTreeSet;

use kittengrad_ring::{Point, Ring};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{ring_and_member, ring_of};

proptest! {
    /// *Radical Kittengrad* (Mediachain, 2016): "The canonical space corresponding to the departing
    /// is now split between its two adjacent Peers."
    #[test]
    fn departing_space_is_split_between_its_two_adjacent_peers(
        (with, leaver) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 3);
        let without = without(&with, leaver);
        let count = with.members().len();
        let before = brute::step(&with, leaver, count - 1);
        let after = brute::step(&with, leaver, 1);
        let cell = |ring: &Ring, member| ring.cell(member).expect("only the leaver has left");
        let split = cell(&without, before).to;
        prop_assert_eq!(cell(&without, before).from, cell(&with, before).from);
        prop_assert_eq!(cell(&without, after).to, cell(&with, after).to);
        prop_assert_eq!(cell(&without, after).from, split);
        let departing = cell(&with, leaver);
        prop_assert!(split == departing.from || departing.contains(split), "it is split inside");
        let others = with.members().iter().copied();
        for other in others.filter(|other| ![before, leaver, after].contains(other)) {
            prop_assert_eq!(without.cell(other), with.cell(other));
        }
    }

    #[test]
    fn a_joiner_fetches_all_it_will_hold_and_nobody_else_fetches(
        (with, joiner) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 2);
        let transfers = without(&with, joiner).transfers(&with);
        prop_assert!(transfers.iter().all(|transfer| transfer.to == joiner));
        let fetched: f64 = transfers.iter().map(|transfer| transfer.arc.share()).sum();
        let held = with.held(joiner).expect("it has joined");
        prop_assert!((fetched - held.share()).abs() < 1e-9);
    }

    #[test]
    fn a_join_changes_r_mean_cells((with, _) in ring_and_member(40)) {
        prop_assume!(with.members().len() >= 2);
        let members = with.members();
        let mean_cell = 1.0 / members.len() as f64;
        let moved_by = |joiner| {
            let transfers = without(&with, joiner).transfers(&with);
            transfers.iter().map(|transfer| transfer.arc.share()).sum::<f64>()
        };
        let moved = members.iter().copied().map(moved_by).sum::<f64>();
        let mean_moved = moved / members.len() as f64;
        let copies = with.replication().get().min(members.len());
        prop_assert!((mean_moved / mean_cell - copies as f64).abs() < 1e-6);
    }

    #[test]
    fn only_near_neighbours_of_a_joiner_drop_arcs(
        (with, joiner) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 2);
        let near: BTreeSet<Point> = near(&with, joiner, with.replication().h() + 1);
        for dropped in without(&with, joiner).drops(&with) {
            prop_assert!(near.contains(&dropped.by));
        }
    }

    #[test]
    fn only_near_neighbours_of_a_leaver_fetch_arcs(
        (with, leaver) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 2);
        let near: BTreeSet<Point> = near(&with, leaver, with.replication().h() + 1);
        for transfer in with.transfers(&without(&with, leaver)) {
            prop_assert!(near.contains(&transfer.to));
        }
    }
}

/// The ring as it was before `member` joined, or as it is after it has left.
fn without(ring: &Ring, gone: Point) -> Ring {
    let members = ring.members().iter().copied();
    ring_of(members.filter(|&other| other != gone), ring.replication())
}

/// The members at most `places` before or after one.
fn near(ring: &Ring, member: Point, places: usize) -> BTreeSet<Point> {
    let members = ring.members().iter().copied();
    members
        .filter(|&other| brute::places(ring, member, other) <= places)
        .collect()
}
