//! Joins and leaves: one member comes or goes, and only its neighbourhood notices.

use std::collections::BTreeSet;

use kittengrad_ring::{Point, Ring};
use proptest::prelude::*;

use crate::strategies::{ring_and_member, ring_of};

proptest! {
    /// Seed 001: "The canonical space corresponding to the departing is now split between its two
    /// adjacent Peers."
    #[test]
    fn departing_space_is_split_between_its_two_adjacent_peers(
        (with, leaver) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 3);
        let without = without(&with, leaver);
        let count = with.members().len();
        let (before, after) = ((leaver + count - 1) % count, (leaver + 1) % count);
        let cell_without = |member: usize| {
            let index = without.index_of(with.members()[member]).expect("only the leaver has left");
            without.cell(index)
        };
        let split = cell_without(before).to;
        prop_assert_eq!(cell_without(before).from, with.cell(before).from);
        prop_assert_eq!(cell_without(after).to, with.cell(after).to);
        prop_assert_eq!(cell_without(after).from, split);
        let departing = with.cell(leaver);
        prop_assert!(split == departing.from || departing.contains(split), "it is split inside");
        for other in (0..count).filter(|other| ![before, leaver, after].contains(other)) {
            prop_assert_eq!(cell_without(other), with.cell(other));
        }
    }

    #[test]
    fn a_joiner_fetches_all_it_will_hold_and_nobody_else_fetches(
        (with, joiner) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 2);
        let transfers = without(&with, joiner).transfers(&with);
        prop_assert!(transfers.iter().all(|transfer| transfer.to == with.members()[joiner]));
        let fetched: f64 = transfers.iter().map(|transfer| transfer.arc.share()).sum();
        prop_assert!((fetched - with.held(joiner).share()).abs() < 1e-9);
    }

    #[test]
    fn a_join_changes_r_mean_cells((with, _) in ring_and_member(40)) {
        prop_assume!(with.members().len() >= 2);
        let members = 0..with.members().len();
        let mean_cell = 1.0 / members.len() as f64;
        let moved_by = |joiner| {
            let transfers = without(&with, joiner).transfers(&with);
            transfers.iter().map(|transfer| transfer.arc.share()).sum::<f64>()
        };
        let mean_moved = members.clone().map(moved_by).sum::<f64>() / members.len() as f64;
        let copies = with.replication().get().min(members.len());
        prop_assert!((mean_moved / mean_cell - copies as f64).abs() < 1e-6);
    }

    #[test]
    fn only_members_within_h_and_one_places_of_a_joiner_drop_anything(
        (with, joiner) in ring_and_member(200),
    ) {
        prop_assume!(with.members().len() >= 2);
        let near: BTreeSet<Point> = near(&with, joiner, with.replication().h() + 1);
        for dropped in without(&with, joiner).drops(&with) {
            prop_assert!(near.contains(&dropped.by));
        }
    }

    #[test]
    fn only_members_within_h_and_one_places_of_a_leaver_fetch_anything(
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
fn without(ring: &Ring, member: usize) -> Ring {
    let gone = ring.members()[member];
    let others = ring
        .members()
        .iter()
        .copied()
        .filter(|&other| other != gone);
    ring_of(others, ring.replication())
}

/// The members at most `places` before or after one.
fn near(ring: &Ring, member: usize, places: usize) -> BTreeSet<Point> {
    let count = ring.members().len();
    let first = member + count - places % count;
    let around = (0..=2 * places).map(|steps| (first + steps) % count);
    around.map(|index| ring.members()[index]).collect()
}
