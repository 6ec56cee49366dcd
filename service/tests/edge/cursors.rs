//! The answers to cursors, including those that a subscription cannot resume from.

use kittengrad_proto::{
    cursor::Cursor,
    id::PublicKey,
    wire::{cursor_problem::Kind as Problem, frame::Kind, subscribe_request::From},
};

use crate::{
    network::Served,
    streams::{next, request, subscribe},
    world::World,
};

/// The answer to a cursor: a problem with its start cursor, or the incarnation and height of the first block.
#[derive(Debug, PartialEq)]
enum Answer {
    Problem(Problem, Option<(u64, Option<u64>)>),
    Block(u64, u64),
}

async fn check(
    world: &World,
    served: &Served,
    (journal, incarnation, height): (PublicKey, u64, Option<u64>),
    expected: Answer,
) {
    let cursor = Cursor {
        journal,
        incarnation,
        height,
    }
    .to_wire();
    let request = request(world, From::Cursor(cursor));
    let mut frames = subscribe(served, &world.publisher, request).await;
    let found = match next(&mut frames).await.unwrap() {
        Kind::Block(block) => {
            let header = kittengrad_proto::block::Header::from_wire(block.header, &world.overlay);
            let header = header.unwrap();
            Answer::Block(header.incarnation, header.height)
        }
        Kind::Problem(problem) => {
            assert_eq!(next(&mut frames).await, None, "a problem ends its stream");
            let start = problem.start.as_ref().map(|start| {
                let start = Cursor::from_wire(Some(start)).unwrap();
                assert_eq!(start.journal, served.owner);
                (start.incarnation, start.height)
            });
            Answer::Problem(problem.kind(), start)
        }
        Kind::Heartbeat(_) => panic!("no block to read at {incarnation}/{height:?}"),
    };
    assert_eq!(found, expected, "{incarnation}/{height:?}");
}

/// Keeps S12.
#[tokio::test]
async fn every_cursor_has_an_answer() {
    let mut world = World::new();
    for _ in 0..3 {
        world.block(&[1]);
    }
    world.open(9);
    for _ in 0..2 {
        world.block(&[1]);
    }
    let served = Served::start(&world).await;
    let own = served.owner;
    let other = world.publisher.holder().key;
    for (cursor, expected) in [
        ((own, 7, None), Answer::Block(7, 0)),
        ((own, 7, Some(0)), Answer::Block(7, 1)),
        ((own, 7, Some(2)), Answer::Block(9, 0)),
        ((own, 9, None), Answer::Block(9, 0)),
        ((own, 9, Some(0)), Answer::Block(9, 1)),
        (
            (own, 9, Some(2)),
            Answer::Problem(Problem::Future, Some((9, Some(1)))),
        ),
        (
            (own, 9, Some(u64::MAX)),
            Answer::Problem(Problem::Future, Some((9, Some(1)))),
        ),
        (
            (own, 7, Some(3)),
            Answer::Problem(Problem::Future, Some((9, None))),
        ),
        (
            (own, 8, Some(0)),
            Answer::Problem(Problem::UnknownIncarnation, Some((9, None))),
        ),
        (
            (own, 10, None),
            Answer::Problem(Problem::UnknownIncarnation, Some((9, None))),
        ),
        (
            (other, 9, Some(0)),
            Answer::Problem(Problem::OtherJournal, Some((7, None))),
        ),
    ] {
        check(&world, &served, cursor, expected).await;
    }
    served.stop().await;
}

/// Keeps S12.
#[tokio::test]
async fn a_wiped_journal_tells_old_readers_where_it_begins_now() {
    let mut world = World::new();
    world.block(&[1]);
    world.wipe();
    world.open(9);
    world.block(&[1]);
    let served = Served::start(&world).await;
    let cursor = (served.owner, 7, Some(0));
    check(
        &world,
        &served,
        cursor,
        Answer::Problem(Problem::UnknownIncarnation, Some((9, None))),
    )
    .await;
    served.stop().await;
}

/// Keeps S12.
#[tokio::test]
async fn journal_wiped_twice_is_read_from_its_first_new_block() {
    let mut world = World::new();
    world.block(&[1]);
    world.wipe();
    for incarnation in [9, 11] {
        world.open(incarnation);
        world.block(&[1]);
    }
    let served = Served::start(&world).await;
    for (cursor, start) in [
        ((served.owner, 7, Some(0)), 9),
        ((served.owner, 8, None), 9),
        ((served.owner, 10, Some(3)), 11),
        ((served.owner, 12, Some(3)), 11),
    ] {
        let expected = Answer::Problem(Problem::UnknownIncarnation, Some((start, None)));
        check(&world, &served, cursor, expected).await;
    }
    served.stop().await;
}

/// Keeps S12.
#[tokio::test]
async fn a_cursor_whose_blocks_are_gone_is_told_the_first_there_is() {
    let mut world = World::new();
    for _ in 0..3 {
        world.block(&[1]);
    }
    world.wipe();
    for _ in 0..2 {
        world.block(&[1]);
    }
    let served = Served::start(&world).await;
    let own = served.owner;
    let too_old = || Answer::Problem(Problem::TooOld, Some((7, Some(2))));
    check(&world, &served, (own, 7, None), too_old()).await;
    check(&world, &served, (own, 7, Some(1)), too_old()).await;
    check(&world, &served, (own, 7, Some(2)), Answer::Block(7, 3)).await;
    served.stop().await;
}
