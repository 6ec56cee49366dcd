//! Points: arithmetic goes round the circle, and text is short in logs and whole for users.

use kittengrad_ring::{Length, Point};
use proptest::prelude::*;

use crate::brute;
use crate::strategies::point;

proptest! {
    #[test]
    fn walking_the_distance_leads_to_the_other_point(a in point(), b in point()) {
        prop_assert_eq!(a.wrapping_add(a.clockwise_to(b)), b);
        prop_assert_eq!(b.wrapping_sub(a.clockwise_to(b)), a);
        prop_assert_eq!(Point::ZERO.wrapping_add(a.clockwise_to(b)), Point::new(brute::walk(a, b)));
    }

    #[test]
    fn distance_is_symmetric_and_the_shorter_way(a in point(), b in point()) {
        prop_assert_eq!(a.distance(b), b.distance(a));
        prop_assert_eq!(a.distance(b).to_string(), Point::new(brute::distance(a, b)).to_string());
        prop_assert!(a.distance(b).share() <= 0.5);
    }

    #[test]
    fn twice_the_way_to_the_middle_is_the_way_or_one_point_less(a in point(), b in point()) {
        let half = brute::walk(a, a.mid(b));
        let twice = Point::new(brute::sum(half, half));
        let way = Point::new(brute::walk(a, b));
        prop_assert!(twice == way || brute::after(twice) == way);
        prop_assert!(half[0] < 0x80, "it is half of the way, not that plus half of the circle");
    }

    #[test]
    fn points_compare_as_their_bytes_do(a in point(), b in point()) {
        prop_assert_eq!(a.cmp(&b), a.as_bytes().cmp(b.as_bytes()));
    }
}

#[test]
fn a_walk_of_the_whole_circle_leads_back() {
    let point = Point::new([0x5a; 32]);
    assert_eq!(point.wrapping_add(Length::WHOLE), point);
    assert_eq!(point.wrapping_sub(Length::WHOLE), point);
    assert_eq!(point.clockwise_to(point), Length::ZERO);
}

#[test]
fn the_whole_circle_is_one_point_longer_than_the_longest_way() {
    let longest = Point::ZERO.clockwise_to(Point::MAX);
    assert!(longest < Length::WHOLE);
    assert_eq!(longest.to_string(), "f".repeat(64));
    assert_eq!(Length::WHOLE.to_string(), format!("1{}", "0".repeat(64)));
    assert_eq!(Length::WHOLE.share(), 1.0);
}

#[test]
fn a_point_is_short_in_logs_and_whole_for_users() {
    let point = Point::new(std::array::from_fn(|place| place as u8));
    assert_eq!(format!("{point:?}"), "00010203");
    assert_eq!(
        point.to_string(),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    );
}
