//! The inputs of the laws: points, arcs and rings, most of them ordinary and some of them
//! cramped.

use std::collections::BTreeSet;

use kittengrad_ring::{KeyRange, Point, Replicas, Ring};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::brute;

/// Anywhere on the circle, or among the few hundred points on either side of zero, where neighbours
/// touch.
pub(crate) fn point() -> impl Strategy<Value = Point> {
    prop_oneof![
        3 => any::<[u8; 32]>().prop_map(Point::new),
        1 => (select(vec![0x00, 0xff]), any::<u8>()).prop_map(|(rest, last)| near_zero(rest, last)),
    ]
}

/// Between any two points, round the whole circle, or of a single point.
pub(crate) fn arc() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        8 => (point(), point()).prop_map(|(from, to)| KeyRange::new(from, to)),
        1 => point().prop_map(|point| KeyRange::new(point, point)),
        1 => point().prop_map(|point| KeyRange::new(brute::before(point), point)),
    ]
}

/// Two arcs, most of the time with ends in common or a point apart: they touch, overlap by a point,
/// begin or end together, or one is the rest of the other.
pub(crate) fn two_arcs() -> impl Strategy<Value = (KeyRange, KeyRange)> {
    arc().prop_flat_map(|first| {
        let ends = [first.from, first.to];
        let near = ends.map(|end| [brute::before(end), end, brute::after(end)]);
        let end = prop_oneof![4 => select(ends.to_vec()), 2 => select(near.concat()), 1 => point()];
        let second = (end.clone(), end).prop_map(|(from, to)| KeyRange::new(from, to));
        (Just(first), prop_oneof![3 => second, 1 => arc()])
    })
}

/// One, three, five or seven copies.
pub(crate) fn replicas() -> impl Strategy<Value = Replicas> {
    select(vec![1, 3, 5, 7]).prop_map(|replicas| Replicas::new(replicas).expect("it is odd"))
}

/// So many members, half of the time few, and spread, crowded around zero, or both.
pub(crate) fn members(count_max: usize) -> impl Strategy<Value = BTreeSet<Point>> {
    let few = count_max.min(12);
    let spread = any::<[u8; 32]>().prop_map(Point::new);
    let count = prop_oneof![1..=few, 1..=count_max];
    count.prop_flat_map(move |count| {
        prop_oneof![
            2 => vec(spread.clone(), count).prop_map(BTreeSet::from_iter),
            1 => vec(point(), count).prop_map(BTreeSet::from_iter),
        ]
    })
}

/// A ring of 1 to `count_max` members.
pub(crate) fn ring(count_max: usize) -> impl Strategy<Value = Ring> {
    (members(count_max), replicas()).prop_map(|(members, replicas)| ring_of(members, replicas))
}

/// A ring, and those of its members that are up.
pub(crate) fn ring_with_some_down(
    count_max: usize,
) -> impl Strategy<Value = (Ring, BTreeSet<Point>)> {
    (ring(count_max), select(vec![0.1, 0.5, 0.9])).prop_flat_map(|(ring, share_up)| {
        let up = vec(proptest::bool::weighted(share_up), ring.members().len());
        (Just(ring), up).prop_map(|(ring, up)| {
            let members = ring.members().iter().copied().zip(up);
            let up = members
                .filter(|(_, is_up)| *is_up)
                .map(|(member, _)| member);
            let up = up.collect();
            (ring, up)
        })
    })
}

/// Any one of the members.
pub(crate) fn ring_and_member(count_max: usize) -> impl Strategy<Value = (Ring, Point)> {
    (ring(count_max), any::<Index>()).prop_map(|(ring, any)| {
        let member = *any.get(ring.members());
        (ring, member)
    })
}

/// The ring of points that are known to differ.
pub(crate) fn ring_of(members: impl IntoIterator<Item = Point>, replicas: Replicas) -> Ring {
    Ring::new(members, replicas).expect("members differ, and there is at least one")
}

/// The points at which a mistake of a ring would show: its members and borders, and the points on
/// either side of them.
pub(crate) fn critical_points(ring: &Ring) -> Vec<Point> {
    let members = ring.members().iter().copied();
    let borders = ring.cells().map(|(_, cell)| cell.to);
    members
        .chain(borders)
        .chain([Point::ZERO])
        .flat_map(|point| [brute::before(point), point, brute::after(point)])
        .collect()
}

fn near_zero(rest: u8, last: u8) -> Point {
    let mut bytes = [rest; 32];
    bytes[31] = last;
    Point::new(bytes)
}
