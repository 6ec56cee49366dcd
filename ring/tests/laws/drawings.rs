//! Small rings drawn by hand, so that the rules can be read where they are easiest to see.
//!
//! A point is written as its first byte, the others being zero.

use kittengrad_ring::{KeyRange, Point, Replicas, Ring};

use crate::strategies::ring_of;

#[test]
fn a_join_takes_half_of_each_neighbours_gap() {
    check(
        "R=3 cells 00 40 80 c0
         00 owns (e0, 20]
         40 owns (20, 60]
         80 owns (60, a0]
         c0 owns (a0, e0]",
    );
    check(
        "R=3 cells 00 40 60 80 c0
         00 owns (e0, 20]
         40 owns (20, 50]
         60 owns (50, 70]
         80 owns (70, a0]
         c0 owns (a0, e0]",
    );
}

#[test]
fn a_joiner_fetches_three_cells_at_three_replicas() {
    check(
        "R=3 change 00 20 40 60 80 a0 c0 e0 -> 00 20 40 50 60 80 a0 c0 e0
         50 fetches (30, 50] from 20 40 60
         50 fetches (50, 70] from 40 60 80
         20 drops (48, 50], kept by 40 50 60
         40 drops (58, 70], kept by 50 60 80
         60 drops (30, 48], kept by 20 40 50
         80 drops (50, 58], kept by 40 50 60",
    );
}

#[test]
fn departing_space_is_split_between_its_two_adjacent_peers() {
    check(
        "R=3 cells 00 40 80 c0
         00 owns (e0, 20]
         40 owns (20, 60]
         80 owns (60, a0]
         c0 owns (a0, e0]",
    );
    check(
        "R=3 cells 00 40 c0
         00 owns (e0, 20]
         40 owns (20, 80]
         c0 owns (80, e0]",
    );
}

#[test]
fn neighbours_of_a_leaver_already_have_its_cell() {
    check(
        "R=3 change 00 20 40 60 80 a0 c0 e0 -> 00 20 40 80 a0 c0 e0
         20 fetches (50, 60] from 40 60 80
         40 fetches (70, 90] from 60 80 a0
         80 fetches (30, 50] from 20 40 60
         a0 fetches (60, 70] from 40 60 80
         60 drops (30, 60], kept by 20 40 80
         60 drops (60, 90], kept by 40 80 a0",
    );
}

#[test]
fn with_up_to_r_members_a_joiner_fetches_from_any() {
    check(
        "R=3 change 00 40 -> 00 40 80
         80 fetches (20, 20] from 00 40",
    );
}

#[test]
fn the_member_after_r_lets_the_others_drop_a_cell_each() {
    check(
        "R=3 change 00 40 80 -> 00 40 80 c0
         c0 fetches (60, 20] from 00 40 80
         00 drops (60, a0], kept by 40 80 c0
         40 drops (a0, e0], kept by 00 80 c0
         80 drops (e0, 20], kept by 00 40 c0",
    );
}

#[test]
fn without_replication_a_cell_moves_once() {
    check(
        "R=1 change 00 80 -> 00 40 80
         40 fetches (20, 40] from 00
         40 fetches (40, 60] from 80
         00 drops (20, 40], kept by 40
         80 drops (40, 60], kept by 40",
    );
}

#[test]
fn a_healthy_ring_is_covered_by_every_rth() {
    check(
        "R=3 cover 00 20 40 60 80 a0 c0 e0
         20 covers (f0, 50]
         80 covers (50, b0]
         e0 covers (b0, f0]",
    );
}

#[test]
fn what_all_holders_are_down_for_is_uncovered() {
    check(
        "R=3 cover 00 20 40 60 80 a0 c0 e0 without 20 40 60
         80 covers (50, b0]
         e0 covers (b0, 10]
         00 covers (10, 30]
         nobody covers (30, 50]",
    );
}

#[test]
fn a_cover_starts_where_it_gets_by_with_fewest() {
    check(
        "R=3 cover 00 20 40 60 80 a0 without 20 80
         40 covers (10, 70]
         a0 covers (70, 10]",
    );
}

#[test]
fn with_everybody_down_nothing_is_covered() {
    check(
        "R=3 cover 00 40 80 c0 without 00 40 80 c0
         nobody covers (e0, e0]",
    );
}

/// Compares the answer to the question in the first line with the lines that follow.
#[track_caller]
fn check(drawing: &str) {
    let mut lines = drawing.lines().map(str::trim);
    let question = lines.next().unwrap_or_default();
    let drawn: Vec<&str> = lines.collect();
    assert_eq!(
        answer(question).expect("the question can be read"),
        drawn,
        "{question}"
    );
}

fn answer(question: &str) -> Option<Vec<String>> {
    let (replicas, question) = question.strip_prefix("R=")?.split_once(' ')?;
    let replicas = Replicas::new(replicas.parse().ok()?).ok()?;
    let ring = |members| ring_of(parse(members), replicas);
    match question.split_once(' ')? {
        ("cells", members) => Some(cells(&ring(members))),
        ("change", rings) => {
            let (before, next) = rings.split_once(" -> ")?;
            Some(changes(&ring(before), &ring(next)))
        }
        ("cover", members) => {
            let (members, down) = members.split_once(" without ").unwrap_or((members, ""));
            Some(cover(&ring(members), &parse(down)))
        }
        _ => None,
    }
}

fn cells(ring: &Ring) -> Vec<String> {
    ring.cells()
        .map(|(member, cell)| format!("{} owns {}", point(member), arc(cell)))
        .collect()
}

fn changes(before: &Ring, next: &Ring) -> Vec<String> {
    let fetched = before.transfers(next).into_iter().map(|transfer| {
        let (to, gained) = (point(transfer.to), arc(transfer.arc));
        format!("{to} fetches {gained} from {}", points(&transfer.from))
    });
    let dropped = before.drops(next).into_iter().map(|dropped| {
        let (by, lost) = (point(dropped.by), arc(dropped.arc));
        format!("{by} drops {lost}, kept by {}", points(&dropped.kept_by))
    });
    fetched.chain(dropped).collect()
}

fn cover(ring: &Ring, down: &[Point]) -> Vec<String> {
    let cover = ring.cover(|member| !down.contains(&member));
    let sources = cover.sources.iter().map(|source| {
        let (member, arc) = (point(source.member), arc(source.arc));
        format!("{member} covers {arc}")
    });
    let gaps = cover
        .uncovered
        .iter()
        .map(|&gap| format!("nobody covers {}", arc(gap)));
    sources.chain(gaps).collect()
}

fn parse(points: &str) -> Vec<Point> {
    points.split_whitespace().map(parse_one).collect()
}

fn parse_one(first_byte: &str) -> Point {
    let mut bytes = [0; 32];
    bytes[0] = u8::from_str_radix(first_byte, 16).expect("a point is two hexadecimal digits");
    Point::new(bytes)
}

fn arc(arc: KeyRange) -> String {
    format!("({}, {}]", point(arc.from), point(arc.to))
}

fn points(all: &[Point]) -> String {
    all.iter()
        .map(|&each| point(each))
        .collect::<Vec<_>>()
        .join(" ")
}

fn point(point: Point) -> String {
    let (first_byte, rest) = point.as_bytes().split_at(1);
    assert!(
        rest.iter().all(|&byte| byte == 0),
        "{point} is not drawn as one byte"
    );
    format!("{:02x}", first_byte[0])
}
