//! Restarts, damaged disks, and a disk in use.

use std::{fs, path::Path};

use crate::network::{Running, World};

/// Keeps S5, S7.
#[tokio::test(flavor = "multi_thread")]
async fn each_start_begins_an_incarnation_and_repeats_nothing() {
    let mut world = World::new(5).await;
    let mut expected = Vec::new();
    let mut shown = Vec::new();
    for round in 0..3_u8 {
        let running = world.start().await;
        expected.extend(world.publish(&[(round, 2), (round + 10, 1), (round + 20, 0)]));
        world.until_emitted(&expected).await;
        shown.extend(world.read().await.last().map(|block| block.header.head()));
        running.stop().await;
        // Published while the aggregator is stopped, and emitted after its next start.
        expected.extend(world.publish(&[(round + 30, 1)]));
    }
    let running = world.start().await;
    world.until_emitted(&expected).await;
    let blocks = world.read().await;
    running.stop().await;

    let headers: Vec<_> = blocks.iter().map(|block| &block.header).collect();
    for head in shown {
        let mut heads = headers.iter().map(|header| header.head());
        assert!(heads.any(|of| of == head), "the journal grows");
    }
    let firsts = headers.iter().filter(|header| header.height == 0);
    assert_eq!(firsts.count(), 4, "one for each start");
    for pair in headers.windows(2) {
        let [before, next] = [pair[0], pair[1]];
        if next.height == 0 {
            assert!(next.incarnation > before.incarnation);
            assert_eq!(next.fork, Some(before.head()));
        } else {
            assert_eq!(next.incarnation, before.incarnation);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_put_aside_and_everything_is_read_again() {
    let mut world = World::new(3).await;
    let expected = world.publish(&[(1, 3), (2, 0), (3, 4)]);
    let running = world.start().await;
    world.until_emitted(&expected).await;
    let before = world.read().await[0].header.incarnation;
    running.stop().await;

    flip_a_bit_in_the_log(&world.config().data);
    let running = world.start().await;
    world.until_emitted(&expected).await;
    let after = world.read().await[0].header.incarnation;
    assert!(after > before, "not a new journal: {before}, then {after}");
    let is_aside = |name: &str| name.contains("damaged");
    let names = fs::read_dir(world.config().data).unwrap();
    let names: Vec<_> = names
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| is_aside(name)), "{names:?}");
    running.until_ready(true).await;
    running.stop().await;
}

/// Changes one bit in the middle of the largest write-ahead log.
fn flip_a_bit_in_the_log(data: &Path) {
    let mut logs = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "log")
            {
                logs.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    let (bytes, log) = logs.into_iter().max().unwrap();
    assert!(bytes > 0, "the log is not empty");
    let mut content = fs::read(&log).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&log, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_has_one_aggregator_at_a_time() {
    let world = World::new(1).await;
    let running = world.start().await;
    let mut second = world.config();
    second.listen.grpc = Some("127.0.0.1:0".parse().unwrap());
    second.listen.http = Some("127.0.0.1:0".parse().unwrap());
    let error = Running::start(second).await.err().unwrap().to_string();
    assert!(
        error.contains("in use") && error.contains("data"),
        "{error}"
    );
    running.stop().await;
}
