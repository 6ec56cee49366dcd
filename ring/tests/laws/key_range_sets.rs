//! Sets of points: they have the points of the arcs that went in, in one canonical form.

use kittengrad_ring::{KeyRange, KeyRanges, Point};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::brute;
use crate::strategies::{arc, point};

/// Points at which a set could go wrong: the ends of its arcs, and those on either side.
fn critical_points<'a>(arcs: impl IntoIterator<Item = &'a KeyRange>) -> Vec<Point> {
    arcs.into_iter()
        .flat_map(|arc| [arc.from, arc.to])
        .chain([Point::ZERO])
        .flat_map(|point| [brute::before(point), point, brute::after(point)])
        .collect()
}

/// Arcs that share many of their ends.
fn arcs() -> impl Strategy<Value = Vec<KeyRange>> {
    let near = vec(point(), 4).prop_flat_map(|points| {
        let end = prop::sample::select(points);
        vec((end.clone(), end), 0..5)
    });
    let near = near.prop_map(|ends| ends.into_iter().map(|(a, b)| KeyRange::new(a, b)).collect());
    prop_oneof![near, vec(arc(), 0..5)]
}

proptest! {
    #[test]
    fn a_set_has_the_points_of_its_arcs(arcs in arcs(), anywhere in point()) {
        let set: KeyRanges = arcs.iter().copied().collect();
        for point in critical_points(&arcs).into_iter().chain([anywhere]) {
            let expected = arcs.iter().any(|arc| arc.contains(point));
            prop_assert_eq!(set.contains(point), expected, "at {}", point);
        }
        prop_assert_eq!(set.is_empty(), arcs.is_empty());
    }

    #[test]
    fn a_set_is_disjoint_ascending_and_joined(arcs in arcs()) {
        let set: KeyRanges = arcs.iter().copied().collect();
        let canonical = set.arcs();
        prop_assert!(canonical.is_sorted_by(|a, b| a.from < b.from));
        for (at, a) in canonical.iter().enumerate() {
            for b in &canonical[at + 1..] {
                prop_assert!(a.intersect(*b).is_empty() && a.to != b.from && b.to != a.from);
            }
            let runs_on = a.from >= a.to;
            prop_assert!(!runs_on || at + 1 == canonical.len() || a.is_whole());
        }
    }

    #[test]
    fn a_set_is_the_same_in_whatever_order_arcs_went_in(
        (sent, shuffled) in arcs().prop_flat_map(|arcs| {
            let again = [arcs.clone(), arcs.clone()].concat();
            (Just(arcs), Just(again).prop_shuffle())
        }),
    ) {
        let set: KeyRanges = sent.into_iter().collect();
        prop_assert_eq!(set, shuffled.into_iter().collect());
    }

    #[test]
    fn a_set_covers_the_arcs_that_lie_in_it(arcs in arcs(), other in arc()) {
        let set: KeyRanges = arcs.iter().copied().collect();
        prop_assert!(arcs.iter().all(|arc| set.covers(*arc)));
        let mut with = set.clone();
        with.insert(other);
        prop_assert_eq!(set.covers(other), with == set);
    }

    #[test]
    fn a_set_overlaps_the_arcs_that_share_a_point_with_it(arcs in arcs(), other in arc()) {
        let set: KeyRanges = arcs.iter().copied().collect();
        prop_assert!(arcs.iter().all(|arc| set.overlaps(*arc)));
        prop_assert_eq!(set.overlaps(other), !set.intersection(&other.into()).is_empty());
    }

    #[test]
    fn an_intersection_of_sets_has_the_points_of_both(a in arcs(), b in arcs(), anywhere in point()) {
        let [one, two] = [&a, &b].map(|arcs| arcs.iter().copied().collect::<KeyRanges>());
        let both = one.intersection(&two);
        prop_assert_eq!(&both, &two.intersection(&one));
        for point in critical_points(a.iter().chain(&b)).into_iter().chain([anywhere]) {
            prop_assert_eq!(both.contains(point), one.contains(point) && two.contains(point));
        }
        prop_assert_eq!(&one.intersection(&KeyRanges::whole()), &one);
        prop_assert_eq!(one.intersection(&KeyRanges::EMPTY), KeyRanges::EMPTY);
    }
    #[test]
    fn a_difference_has_the_points_of_the_first_alone(a in arcs(), b in arcs(), anywhere in point()) {
        let [one, two] = [&a, &b].map(|arcs| arcs.iter().copied().collect::<KeyRanges>());
        let rest = one.difference(&two);
        for point in critical_points(a.iter().chain(&b)).into_iter().chain([anywhere]) {
            prop_assert_eq!(rest.contains(point), one.contains(point) && !two.contains(point));
        }
        prop_assert!(rest.intersection(&two).is_empty());
        let again = rest.arcs().iter().chain(one.intersection(&two).arcs()).copied().collect();
        prop_assert_eq!(&one, &again, "with the points of both it is the first again");
    }

    #[test]
    fn the_rest_of_the_rest_is_the_set_again(arcs in arcs(), anywhere in point()) {
        let set: KeyRanges = arcs.iter().copied().collect();
        let rest = KeyRanges::whole().difference(&set);
        for point in critical_points(&arcs).into_iter().chain([anywhere]) {
            prop_assert_ne!(rest.contains(point), set.contains(point), "at {}", point);
        }
        prop_assert_eq!(KeyRanges::whole().difference(&rest), set);
    }
}

#[test]
fn arcs_that_touch_all_round_are_the_whole_circle() {
    let at = |byte| Point::new([byte; 32]);
    let arcs = [(0x10, 0x60), (0x60, 0xc0), (0xc0, 0x10)];
    let set: KeyRanges = arcs
        .map(|(a, b)| KeyRange::new(at(a), at(b)))
        .into_iter()
        .collect();
    assert_eq!(set, KeyRanges::whole());
    assert_eq!(set.arcs().len(), 1);
}

#[test]
fn a_set_of_one_arc_has_its_points_only() {
    let at = |byte| Point::new([byte; 32]);
    let arc = KeyRange::new(at(0xf0), at(0x10));
    let set = KeyRanges::from(arc);
    assert_eq!(set.arcs(), [arc]);
    assert!(set.covers(arc) && !set.covers(KeyRange::new(at(0xf0), at(0x11))));
    assert!(!set.is_empty() && KeyRanges::default().is_empty());
    assert!(KeyRanges::whole().contains(Point::ZERO) && KeyRanges::whole().contains(Point::MAX));
}

#[test]
fn an_arc_joins_all_that_it_meets() {
    let arcs = |arcs: &[(u8, u8)]| -> KeyRanges {
        let point = |byte| Point::new([byte; 32]);
        let arcs = arcs.iter();
        arcs.map(|&(from, to)| KeyRange::new(point(from), point(to)))
            .collect()
    };
    let apart = [(0x10, 0x20), (0x30, 0x40), (0x50, 0x60), (0x80, 0x90)];
    for (added, expected) in [
        ((0x20, 0x30), vec![(0x10, 0x40), (0x50, 0x60), (0x80, 0x90)]),
        ((0x18, 0x55), vec![(0x10, 0x60), (0x80, 0x90)]),
        ((0x00, 0x70), vec![(0x00, 0x70), (0x80, 0x90)]),
        ((0x90, 0x10), vec![(0x30, 0x40), (0x50, 0x60), (0x80, 0x20)]),
        ((0x60, 0x50), vec![(0x00, 0x00)]),
    ] {
        let set = arcs(&[&apart[..], &[added]].concat());
        assert_eq!(set, arcs(&expected), "with {added:x?}");
        assert_eq!(set.arcs().len(), expected.len());
    }
}

#[test]
fn a_difference_leaves_what_the_other_set_has_not() {
    let arcs = |arcs: &[(u8, u8)]| -> KeyRanges {
        let point = |byte| Point::new([byte; 32]);
        let arcs = arcs.iter();
        arcs.map(|&(from, to)| KeyRange::new(point(from), point(to)))
            .collect()
    };
    let circle = &[(0x33, 0x33)][..];
    let cases: [(&[_], &[_], &[_]); 12] = [
        (&[], &[], &[]),
        (&[], circle, &[]),
        (circle, &[], circle),
        (circle, circle, &[]),
        (circle, &[(0x10, 0x20)], &[(0x20, 0x10)]),
        (circle, &[(0xf0, 0x10)], &[(0x10, 0xf0)]),
        (
            circle,
            &[(0x10, 0x20), (0xf0, 0x08)],
            &[(0x08, 0x10), (0x20, 0xf0)],
        ),
        (&[(0x10, 0x20)], circle, &[]),
        (&[(0x10, 0x20)], &[(0x20, 0x30)], &[(0x10, 0x20)]),
        (
            &[(0x10, 0x50)],
            &[(0x20, 0x30)],
            &[(0x10, 0x20), (0x30, 0x50)],
        ),
        (
            &[(0xe0, 0x20)],
            &[(0xf0, 0x00)],
            &[(0x00, 0x20), (0xe0, 0xf0)],
        ),
        (&[(0xe0, 0x20)], &[(0x10, 0xf0)], &[(0xf0, 0x10)]),
    ];
    for (one, other, expected) in cases {
        let (one, other) = (arcs(one), arcs(other));
        assert_eq!(
            one.difference(&other),
            arcs(expected),
            "{one:?} without {other:?}"
        );
    }
}
