//! Sources that stop, come back, and start again with an empty or an old disk.

use kittengrad_proto::{id::PublicKey, submission::Submission, transaction::Element};

use crate::network::{Running, World};

/// Keeps S5.
#[tokio::test(flavor = "multi_thread")]
async fn dead_source_is_replaced_and_a_short_cell_names_it() {
    let mut world = World::new(5).await;
    let mut expected = world.publish(&[(1, 1), (2, 1), (3, 1), (4, 1)]);
    let running = world.start().await;
    running.until_ready(true).await;
    world.until_emitted(&expected).await;

    let dead = running.sources().await[0];
    world.peer(dead).stop().await;
    expected.extend(world.publish(&[(1, 2), (2, 2), (3, 2), (4, 2)]));
    running.until_ready_without(dead).await;
    world.until_emitted(&expected).await;

    // With a second replica of one cell down, the last one cannot show that nothing is missing there.
    let partner = world.partner(dead);
    world.peer(partner).stop().await;
    let why = running.until_waiting_for(&[dead, partner]).await;
    for name in [dead, partner].map(|key| format!("{key:?}")) {
        assert!(why.contains(&name), "{why}");
    }
    assert_eq!(running.page("/livez").await.0, 200);
    expected.extend(world.publish(&[(1, 3), (2, 3), (3, 3), (4, 3)]));
    world.until_emitted(&expected).await;

    world.peer(dead).serve().await;
    running.until_ready(true).await;
    world.peer(partner).serve().await;
    world.until_emitted(&expected).await;
    running.stop().await;
}

/// Keeps S5.
#[tokio::test(flavor = "multi_thread")]
async fn second_source_brings_what_the_first_one_lacks() {
    let mut world = World::new(3).await;
    let config = world.config_that_tolerates(1);
    let running = Running::start(config).await.unwrap();
    let second = running.until_modes(&["items", "read"]).await[0];
    let mut expected = world.publish(&[(1, 1), (2, 1)]);
    world.until_emitted(&expected).await;
    running.until_ready(true).await;

    // The first source does not list this one, and neither does any other peer.
    let submission = world.transact(&[(3, 1)]);
    let chain = world.publisher.chain().clone();
    world.peer(second).apply(&submission, &chain);
    expected.extend(submission.transaction.elements());
    world.until_emitted(&expected).await;
    running.until_modes(&["read", "read"]).await;
    running.stop().await;
}

/// Three peers with some submissions, and an aggregator whose only source was stopped and replaced by another one.
struct Replaced {
    world: World,
    running: Running,
    source: PublicKey,
    submissions: Vec<Submission>,
    expected: Vec<Element>,
}

impl Replaced {
    async fn begin() -> Self {
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
        let source = running.sources().await[0];
        world.peer(source).stop().await;
        running.until_ready_without(source).await;
        Self {
            world,
            running,
            source,
            submissions,
            expected,
        }
    }

    /// Serves the source again, which begins incarnation 20 with the submissions from `missing` on, newest first. The
    /// other peers stop for a while, so that only the source can be read.
    async fn check(mut self, missing: usize) {
        let chain = self.world.publisher.chain().clone();
        let source = self.world.peer(self.source);
        for submission in self.submissions[missing..].iter().rev() {
            source.apply(submission, &chain);
        }
        source.serve().await;
        let keys: Vec<_> = self.world.peers.iter().map(|peer| peer.key).collect();
        let others: Vec<_> = keys.into_iter().filter(|key| *key != self.source).collect();
        for other in &others {
            self.world.peer(*other).stop().await;
        }
        self.running.until_read_in(self.source, 20).await;
        self.expected.extend(self.world.publish(&[(100, 3)]));
        self.world.until_emitted(&self.expected).await;
        for other in &others {
            self.world.peer(*other).serve().await;
        }
        self.running.until_ready(true).await;
        self.world.until_emitted(&self.expected).await;
        self.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wiped_source_is_read_anew_and_nothing_comes_twice() {
    let mut replaced = Replaced::begin().await;
    replaced.world.peer(replaced.source).wipe(20);
    replaced.check(0).await;
}

/// Keeps S12.
#[tokio::test(flavor = "multi_thread")]
async fn source_that_lost_blocks_is_read_in_its_next_incarnation() {
    let mut replaced = Replaced::begin().await;
    let chain = replaced.world.publisher.chain().clone();
    let source = replaced.world.peer(replaced.source);
    source.restore(&replaced.submissions[..2], &chain, 20);
    replaced.check(2).await;
}
