//! Sources that stop, come back, and start again with an empty or an old disk.

use kittengrad_support::wait::until_some;

use crate::network::{Running, World};

/// Keeps S5.
#[tokio::test(flavor = "multi_thread")]
async fn dead_source_is_named_and_read_on_when_it_is_back() {
    let mut world = World::new(5).await;
    let mut expected = world.publish(&[(1, 1), (2, 1), (3, 1), (4, 1)]);
    let mut config = world.config();
    // Long enough for the checks before the head is too old.
    config.timing.fresh_ms = 10_000;
    let running = Running::start(config).await.unwrap();
    running.until_ready(true).await;
    world.until_emitted(&expected).await;

    let source = world.source();
    let key = source.key;
    source.stop().await;
    let why = running.until_ready(false).await;
    assert!(
        why.contains(&format!("{key:?}")) && why.contains("waiting"),
        "{why}"
    );
    assert_eq!(
        running.status().await["complete"],
        true,
        "complete as of less than `fresh_ms` ago"
    );
    until_some("the aggregator is no longer complete", async || {
        (running.status().await["complete"] == false).then_some(())
    })
    .await;
    assert_eq!(running.page("/livez").await.0, 200);

    // The other sources go on. Elements that only the dead source lists are emitted once it is back.
    expected.extend(world.publish(&[(1, 2), (2, 2), (3, 2), (4, 2)]));
    world.source().serve().await;
    world.until_emitted(&expected).await;
    running.until_ready(true).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wiped_source_is_read_anew_and_nothing_comes_twice() {
    let mut world = World::new(3).await;
    let mut submissions = Vec::new();
    let mut expected = Vec::new();
    for number in 0..6 {
        let submission = world.transact(&[(number, 2)]);
        world.apply(&submission);
        expected.extend(submission.transaction.elements());
        submissions.push(submission);
    }
    let running = world.start().await;
    world.until_emitted(&expected).await;

    let chain = world.publisher.chain().clone();
    let source = world.source();
    source.stop().await;
    source.wipe(20);
    for submission in submissions.iter().rev() {
        source.apply(submission, &chain);
    }
    source.serve().await;
    expected.extend(world.publish(&[(100, 3)]));
    world.until_emitted(&expected).await;
    running.until_ready(true).await;
    running.until_read_in(20).await;
    running.stop().await;
}

/// Keeps S12.
#[tokio::test(flavor = "multi_thread")]
async fn source_that_lost_blocks_is_read_in_its_next_incarnation() {
    let mut world = World::new(3).await;
    let mut submissions = Vec::new();
    let mut expected = Vec::new();
    for number in 0..6 {
        let submission = world.transact(&[(number, 2)]);
        world.apply(&submission);
        expected.extend(submission.transaction.elements());
        submissions.push(submission);
    }
    let running = world.start().await;
    world.until_emitted(&expected).await;

    let chain = world.publisher.chain().clone();
    let source = world.source();
    source.stop().await;
    source.restore(&submissions[..2], &chain, 20);
    source.serve().await;
    expected.extend(world.publish(&[(100, 3)]));
    world.until_emitted(&expected).await;
    running.until_read_in(20).await;
    running.stop().await;
}
