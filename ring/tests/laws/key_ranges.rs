//! Arcs: their points, the number of points, and the intersection of two arcs.

use std::hash::{DefaultHasher, Hash, Hasher};

use kittengrad_ring::{KeyRange, Length, Point};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{arc, point, two_arcs};

proptest! {
    #[test]
    fn an_arc_excludes_its_start_and_includes_its_end(
        arc in arc(),
        point in point(),
    ) {
        for point in critical_points(&[arc]).into_iter().chain([point]) {
            let way = brute::walk(arc.from, point);
            let met = way != [0; 32] && way <= brute::walk(arc.from, arc.to);
            prop_assert_eq!(arc.contains(point), met || arc.from == arc.to);
        }
    }

    #[test]
    fn an_intersection_has_the_points_that_both_have((a, b) in two_arcs(), point in point()) {
        let both = a.intersect(b);
        for point in critical_points(&[a, b]).into_iter().chain([point]) {
            let times = both.iter().filter(|arc| arc.contains(point)).count();
            prop_assert_eq!(times, usize::from(a.contains(point) && b.contains(point)));
        }
        prop_assert!(both.len() <= 2);
        for (first, second) in both.iter().zip(both.iter().skip(1)) {
            let apart = first.to != second.from && second.to != first.from;
            prop_assert!(apart, "neighbours are one arc");
            let (near, far) = (a.from.clockwise_to(first.from), a.from.clockwise_to(second.from));
            prop_assert!(near < far, "they come clockwise from the beginning of the first arc");
        }
    }

    #[test]
    fn an_intersection_is_the_same_from_both_sides((a, b) in two_arcs()) {
        let (from_a, from_b) = (a.intersect(b), b.intersect(a));
        prop_assert_eq!(from_a.len(), from_b.len());
        prop_assert!(from_a.iter().all(|arc| from_b.contains(arc)));
    }

    #[test]
    fn intervals_have_the_points_of_the_arc_in_its_order(arc in arc(), point in point()) {
        let intervals = arc.intervals();
        for point in critical_points(&[arc]).into_iter().chain([point]) {
            let times = intervals.iter().filter(|interval| interval.contains(&point)).count();
            prop_assert_eq!(times, usize::from(arc.contains(point)));
        }
        prop_assert!(intervals.len() <= 2);
        prop_assert!(intervals.iter().all(|interval| interval.start() <= interval.end()));
        let ends = intervals.iter().flat_map(|interval| [*interval.start(), *interval.end()]);
        let ways: Vec<_> = ends.map(|end| KeyRange::new(arc.from, end).length()).collect();
        prop_assert!(ways.is_sorted(), "an arc is walked from its beginning: {:?}", intervals);
    }

    #[test]
    fn an_arc_and_the_rest_are_as_long_as_the_circle(a in point(), b in point()) {
        prop_assume!(a != b);
        let rest = KeyRange::new(b, a);
        prop_assert_eq!(KeyRange::new(a, b).length(), a.clockwise_to(b));
        prop_assert_eq!(a.wrapping_add(KeyRange::new(a, b).length()).wrapping_add(rest.length()), a);
        prop_assert!((KeyRange::new(a, b).share() + rest.share() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn an_arc_that_ends_where_it_begins_is_the_whole_circle() {
    let point = Point::new([0x5a; 32]);
    let whole = KeyRange::new(point, point);
    assert!(whole.is_whole());
    assert!(whole.contains(point));
    assert_eq!(whole.length(), Length::WHOLE);
    assert_eq!(whole.share(), 1.0);
}

#[test]
fn touching_arcs_do_not_intersect() {
    let [one, five, nine] = [0x01, 0x05, 0x09].map(|byte| Point::new([byte; 32]));
    let (low, high) = (KeyRange::new(one, five), KeyRange::new(five, nine));
    assert_eq!(low.intersect(high), []);
    assert_eq!(high.intersect(low), []);
    let rest = KeyRange::new(five, one);
    assert_eq!(low.intersect(rest), [], "they touch at both ends");
    assert_eq!(rest.intersect(low), [], "they touch at both ends");
}

#[test]
fn whole_circles_are_equal_and_other_arcs_are_not() {
    let (a, b) = (Point::new([0x11; 32]), Point::new([0x22; 32]));
    assert_eq!(KeyRange::new(a, a), KeyRange::new(b, b));
    assert_ne!(KeyRange::new(a, b), KeyRange::new(b, a));
    assert_ne!(KeyRange::new(a, b), KeyRange::new(a, a));
}

#[test]
fn equal_arcs_have_equal_hashes() {
    let hash = |arc: KeyRange| {
        let mut hasher = DefaultHasher::new();
        arc.hash(&mut hasher);
        hasher.finish()
    };
    let (a, b) = (Point::new([0x11; 32]), Point::new([0x22; 32]));
    assert_eq!(hash(KeyRange::new(a, a)), hash(KeyRange::new(b, b)));
    assert_ne!(hash(KeyRange::new(a, b)), hash(KeyRange::new(b, a)));
    assert_ne!(hash(KeyRange::new(a, b)), hash(KeyRange::WHOLE));
}

#[test]
fn arcs_that_overlap_at_both_ends_meet_in_two_arcs() {
    let (most, seam) = (drawn((0x10, 0xf0)), drawn((0xe0, 0x20)));
    let (early, late) = (drawn((0x10, 0x20)), drawn((0xe0, 0xf0)));
    assert_eq!(most.intersect(seam), [early, late]);
    assert_eq!(seam.intersect(most), [late, early]);
}

#[test]
fn an_arc_covers_arcs_that_lie_in_it() {
    for (arc, other, covers) in [
        ((0x10, 0x50), (0x10, 0x50), true),
        ((0x10, 0x50), (0x10, 0x20), true),
        ((0x10, 0x50), (0x40, 0x50), true),
        ((0xf0, 0x20), (0xf8, 0x08), true),
        ((0x30, 0x30), (0xf8, 0x08), true),
        ((0x30, 0x30), (0x40, 0x40), true),
        ((0x10, 0x50), (0x0f, 0x50), false),
        ((0x10, 0x50), (0x10, 0x51), false),
        ((0x10, 0x50), (0x50, 0x60), false),
        ((0x10, 0x50), (0x40, 0x20), false),
        ((0x10, 0x50), (0x50, 0x10), false),
        ((0x10, 0x50), (0x10, 0x10), false),
    ] {
        let (arc, other) = (drawn(arc), drawn(other));
        assert_eq!(arc.covers(other), covers, "{arc:?} and {other:?}");
    }
}

#[test]
fn a_union_is_an_arc_where_two_arcs_meet() {
    for (a, b, union) in [
        ((0x10, 0x50), (0x20, 0x30), Some((0x10, 0x50))),
        ((0x10, 0x50), (0x10, 0x50), Some((0x10, 0x50))),
        ((0x10, 0x50), (0x50, 0x90), Some((0x10, 0x90))),
        ((0x10, 0x50), (0x4f, 0x90), Some((0x10, 0x90))),
        ((0xe0, 0x20), (0x10, 0x40), Some((0xe0, 0x40))),
        ((0x10, 0x50), (0x60, 0x60), Some((0x00, 0x00))),
        ((0x10, 0x50), (0x50, 0x10), Some((0x00, 0x00))),
        ((0x10, 0x50), (0x40, 0x20), Some((0x00, 0x00))),
        ((0x10, 0x50), (0x51, 0x90), None),
        ((0x10, 0x50), (0x60, 0x0f), None),
    ] {
        let (a, b, union) = (drawn(a), drawn(b), union.map(drawn));
        assert_eq!(a.union(b), union, "{a:?} and {b:?}");
        assert_eq!(b.union(a), union, "{b:?} and {a:?}");
    }
}

#[test]
fn text_of_an_arc_shows_which_end_is_in_it() {
    let arc = drawn((0x10, 0x20));
    let (from, to) = ("10".repeat(32), "20".repeat(32));
    assert_eq!(arc.to_string(), format!("({from}, {to}]"));
}

/// The arc between two points, each 32 times the same byte.
fn drawn((from, to): (u8, u8)) -> KeyRange {
    KeyRange::new(Point::new([from; 32]), Point::new([to; 32]))
}

#[test]
fn an_arc_through_zero_is_two_intervals() {
    let (high, low) = (Point::new([0xf0; 32]), Point::new([0x0f; 32]));
    let seam = KeyRange::new(high, low);
    assert_eq!(
        seam.intervals(),
        [brute::after(high)..=Point::MAX, Point::ZERO..=low]
    );
    assert_eq!(
        KeyRange::new(Point::MAX, low).intervals(),
        [Point::ZERO..=low]
    );
    assert_eq!(
        KeyRange::new(high, Point::MAX).intervals(),
        [brute::after(high)..=Point::MAX]
    );
    assert_eq!(
        KeyRange::new(Point::MAX, Point::MAX).intervals(),
        [Point::ZERO..=Point::MAX],
        "the whole circle from zero to its end"
    );
}

/// The ends of the arcs, zero, and the points on either side of them.
fn critical_points(arcs: &[KeyRange]) -> Vec<Point> {
    arcs.iter()
        .flat_map(|arc| [arc.from, arc.to])
        .chain([Point::ZERO])
        .flat_map(|point| [brute::before(point), point, brute::after(point)])
        .collect()
}
