//! Covers: they hold all covered arcs with as few members as possible, and list the uncovered arcs.

use std::{cell::RefCell, collections::BTreeSet};

use kittengrad_ring::{Cover, KeyRange, Point, Ring, Source};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{critical_points, ring, ring_with_some_down};

proptest! {
    #[test]
    fn a_healthy_ring_is_covered_by_every_rth_member(ring in ring(200)) {
        let cover = ring.cover(|_| true);
        let (count, replicas) = (ring.members().len(), ring.replication().get());
        prop_assert_eq!(cover.sources.len(), count.div_ceil(replicas));
        prop_assert_eq!(&cover.uncovered, &[]);
        for pair in cover.sources.windows(2) {
            prop_assert_eq!(brute::step(&ring, pair[0].member, replicas), pair[1].member);
        }
    }

    #[test]
    fn sources_and_gaps_tile_the_circle((ring, up) in ring_with_some_down(200)) {
        let cover = ring.cover(|member| up.contains(&member));
        let arcs: Vec<KeyRange> = arcs(&cover);
        let shares: f64 = arcs.iter().map(KeyRange::share).sum();
        prop_assert!((shares - 1.0).abs() < 1e-9, "they go round {} times", shares);
        for point in critical_points(&ring) {
            let times = arcs.iter().filter(|arc| arc.contains(point)).count();
            prop_assert_eq!(times, 1, "at {}", point);
        }
    }

    #[test]
    fn sources_and_gaps_come_clockwise((ring, up) in ring_with_some_down(100)) {
        let cover = ring.cover(|member| up.contains(&member));
        let sources: Vec<KeyRange> = cover.sources.iter().map(|source| source.arc).collect();
        for arcs in [sources, cover.uncovered] {
            let way = |arc: &KeyRange| KeyRange::new(arcs[0].from, arc.to).length();
            prop_assert!(arcs.is_sorted_by(|near, far| way(near) < way(far)), "{:?}", arcs);
        }
    }

    #[test]
    fn each_member_is_asked_once_whether_it_is_up((ring, up) in ring_with_some_down(30)) {
        let asked = RefCell::new(Vec::new());
        let cover = ring.cover(|member| {
            asked.borrow_mut().push(member);
            up.contains(&member)
        });
        let mut asked = asked.into_inner();
        asked.sort_unstable();
        prop_assert_eq!(asked, ring.members());
        prop_assert_eq!(&cover, &ring.cover(|member| up.contains(&member)));
    }

    #[test]
    fn a_source_is_up_holds_its_arc_and_is_asked_once((ring, up) in ring_with_some_down(200)) {
        let cover = ring.cover(|member| up.contains(&member));
        for &Source { member, arc } in &cover.sources {
            prop_assert!(up.contains(&member));
            let held = ring.held(member).expect("it is a member");
            prop_assert_eq!(arc.intersect(held), [arc]);
        }
        let members: BTreeSet<Point> = cover.sources.iter().map(|source| source.member).collect();
        prop_assert_eq!(members.len(), cover.sources.len());
    }

    #[test]
    fn uncovered_is_what_no_member_up_holds((ring, up) in ring_with_some_down(100)) {
        let cover = ring.cover(|member| up.contains(&member));
        for point in critical_points(&ring) {
            let held = up.iter().any(|&member| ring.holds(member, point));
            let missing = cover.uncovered.iter().any(|gap| gap.contains(point));
            prop_assert_eq!(missing, !held, "at {}", point);
        }
        let ends: BTreeSet<Point> = cover.uncovered.iter().map(|gap| gap.to).collect();
        let touches = |gap: &KeyRange| !gap.is_whole() && ends.contains(&gap.from);
        prop_assert!(!cover.uncovered.iter().any(touches), "neighbouring gaps are one gap");
    }

    #[test]
    fn no_fewer_members_of_a_small_ring_hold_as_much((ring, up) in ring_with_some_down(12)) {
        let cover = ring.cover(|member| up.contains(&member));
        prop_assert_eq!(cover.sources.len(), smallest_by_trying_all(&ring, &up));
    }

    /// Cells of which no two have a holder in common need a source each. On a line, the most that
    /// can be picked so are also enough (Gallai); on a circle one more source may be needed.
    #[test]
    fn no_fewer_members_of_a_large_ring_can_hold_as_much((ring, up) in ring_with_some_down(200)) {
        let cover = ring.cover(|member| up.contains(&member));
        let apart = cells_without_common_holders(&ring, &up, &cover);
        prop_assert!(apart <= cover.sources.len());
        prop_assert!(cover.sources.len() <= apart + usize::from(cover.uncovered.is_empty()));
    }
}

/// The size of the smallest set of members up that keeps every cell that all of them keep.
fn smallest_by_trying_all(ring: &Ring, up: &BTreeSet<Point>) -> usize {
    let cells_of = |member: &Point| {
        let cells = ring.members().iter().enumerate();
        cells
            .filter(|&(_, &cell)| ring.replicas(cell).contains(member))
            .fold(0_u32, |cells, (cell, _)| cells | 1 << cell)
    };
    let candidates: Vec<u32> = up.iter().map(cells_of).collect();
    let everything = candidates.iter().fold(0, |all, cells| all | cells);
    let union = |chosen: u32| {
        let members = (0..candidates.len()).filter(|member| chosen >> member & 1 == 1);
        members.fold(0, |all, member| all | candidates[member])
    };
    (0..1_u32 << candidates.len())
        .filter(|&chosen| union(chosen) == everything)
        .map(u32::count_ones)
        .min()
        .expect("all candidates together are a cover") as usize
}

/// The number of cells picked on one walk around the circle, from a gap or from anywhere. A cell is
/// picked if it shares no reachable holder with the cells picked before.
fn cells_without_common_holders(ring: &Ring, up: &BTreeSet<Point>, cover: &Cover) -> usize {
    let anywhere = ring.members()[0];
    let gap = cover.uncovered.first();
    let start = gap.map_or(anywhere, |gap| ring.owner(gap.to));
    let mut asked = BTreeSet::new();
    let mut picked = 0;
    for cell in (1..=ring.members().len()).map(|steps| brute::step(ring, start, steps)) {
        let holders: BTreeSet<Point> = ring
            .replicas(cell)
            .into_iter()
            .filter(|member| up.contains(member))
            .collect();
        if !holders.is_empty() && holders.is_disjoint(&asked) {
            asked.extend(holders);
            picked += 1;
        }
    }
    picked
}

fn arcs(cover: &Cover) -> Vec<KeyRange> {
    let sources = cover.sources.iter().map(|source| source.arc);
    sources.chain(cover.uncovered.iter().copied()).collect()
}
