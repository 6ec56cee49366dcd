//! The definitions by brute force: byte by byte, member by member, subset by subset.

use kittengrad_ring::{Point, Ring};

/// How far `to` is when walking clockwise from `from`: a subtraction as taught in school.
pub(crate) fn walk(from: Point, to: Point) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = 0;
    for digit in (0..32).rev() {
        let digits = i16::from(to.as_bytes()[digit]) - i16::from(from.as_bytes()[digit]) - borrow;
        borrow = i16::from(digits < 0);
        difference[digit] = digits.rem_euclid(256) as u8;
    }
    difference
}

/// The sum of two numbers modulo 2^256, as taught in school.
pub(crate) fn sum(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let mut sum = [0; 32];
    let mut carry = 0;
    for digit in (0..32).rev() {
        let digits = u16::from(a[digit]) + u16::from(b[digit]) + carry;
        carry = digits / 256;
        sum[digit] = (digits % 256) as u8;
    }
    sum
}

/// The point after `point`, clockwise.
pub(crate) fn after(point: Point) -> Point {
    let mut one = [0; 32];
    one[31] = 1;
    Point::new(sum(*point.as_bytes(), one))
}

/// The point before `point`, clockwise.
pub(crate) fn before(point: Point) -> Point {
    Point::new(sum(*point.as_bytes(), [0xff; 32]))
}

/// How far two points lie apart, the shorter way round.
pub(crate) fn distance(a: Point, b: Point) -> [u8; 32] {
    walk(a, b).min(walk(b, a))
}

/// The member at the smallest distance; of two at the same, the one that comes first when walking
/// clockwise to the point.
pub(crate) fn owner(ring: &Ring, point: Point) -> Point {
    let nearest = |&member: &Point| {
        let comes_after = walk(member, point) != distance(member, point);
        (distance(member, point), comes_after)
    };
    let members = ring.members().iter().copied();
    members.min_by_key(nearest).expect("a ring has members")
}

/// The owner of a point, and those reached from it in at most h steps either way, ascending.
pub(crate) fn holders(ring: &Ring, point: Point) -> Vec<Point> {
    let owner = owner(ring, point);
    let members = ring.members().iter().copied();
    members
        .filter(|&member| places(ring, owner, member) <= ring.replication().h())
        .collect()
}

/// The steps between two members, the shorter way round, counted one by one.
pub(crate) fn places(ring: &Ring, a: Point, b: Point) -> usize {
    (0..ring.members().len())
        .find(|&steps| step(ring, a, steps) == b || step(ring, b, steps) == a)
        .expect("both are members")
}

/// The member so many steps after another one, clockwise.
pub(crate) fn step(ring: &Ring, member: Point, steps: usize) -> Point {
    let from = ring.members().iter().position(|&other| other == member);
    let index = from.expect("it is a member") + steps;
    ring.members()[index % ring.members().len()]
}
