//! Catching up: a peer reads missed elements in its partners' journals and fetches each body once.

use kittengrad_overlay::quorum::Ack;

use kittengrad_sim::{Publication, Shape, World};

/// Writes to machines 0 and 1 in turn.
fn write(c: &mut World, count: usize) -> Vec<Publication> {
    let mut all = Vec::new();
    for number in 0..count {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.put(number % 2, &publication);
        all.push(publication);
    }
    all
}

#[test]
fn transaction_moves_once_to_each_while_everybody_is_there() {
    let mut c = World::booted(1, Shape::new(3, 3));
    let all = write(&mut c, 50);
    c.settle();
    for (number, publication) in all.iter().enumerate() {
        let coordinator = number % 2;
        for member in c.members() {
            let expected = if member == coordinator {
                (0, 0)
            } else {
                (1, 0)
            };
            assert_eq!(c.bodies(member, publication), expected);
        }
    }
}

/// Keeps S3.
#[test]
fn what_a_peer_missed_moves_once() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.crash(2);
    let all = write(&mut c, 500);
    c.start(2);
    c.settle();
    for publication in &all {
        assert_eq!(c.bodies(2, publication), (0, 1));
    }
}

#[test]
fn a_peer_that_comes_back_while_others_write_misses_nothing() {
    let mut c = World::booted(1, Shape::new(5, 3));
    c.crash(2);
    for round in 0..400 {
        if round == 200 {
            c.start(2);
        }
        let owner = round % 5;
        let name = c.name_in(owner);
        let publication = c.say(&[&name]);
        let coordinator = c.replicas(&name).into_iter().find(|member| *member != 2);
        c.submit(coordinator.unwrap(), &publication, Ack::Quorum);
        c.run_for(5);
    }
    c.settle();
    assert!(c.acknowledged() > 300);
    c.assert_nothing_is_lost();
}

#[test]
fn more_blocks_than_one_answer_has_are_read_to_the_end() {
    let mut c = World::booted(1, Shape::new(3, 3));
    c.crash(2);
    for _ in 0..1_500 {
        let name = c.name();
        let publication = c.say(&[&name]);
        c.submit(0, &publication, Ack::One);
        c.run_for(3);
    }
    assert!(
        c.blocks(0).len() > 1_100,
        "one answer has at most 1,000 blocks"
    );
    c.start(2);
    c.settle();
}

/// Keeps S11.
#[test]
fn reading_survives_a_link_that_drops_at_any_moment() {
    for number in 0..30 {
        let mut c = World::booted(number, Shape::new(3, 3));
        c.isolate(2);
        write(&mut c, 20);
        c.heal();
        // The steps are short at first: hello, question, answer, fetch, bodies.
        c.run_for(100 + number);
        c.cut(2, 0);
        c.cut(2, 1);
        c.run_for(300);
        c.heal();
        c.settle();
    }
}
