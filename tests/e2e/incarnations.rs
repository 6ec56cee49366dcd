//! A journal with two incarnations is read as one.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Network, Process, lines, until};

#[test]
fn a_journal_with_lost_blocks_is_listed_and_verified() {
    let mut network = Network::with_peers(3);
    let (id, data) = (
        network.peer_id(1),
        network.folder(Process::Peer(1)).join("data"),
    );
    put(&network, 0..4);
    until("peer 1 has all", || tail(&network, &id).len() == 4);
    network.stop(Process::Peer(1));
    let old = network.path().join("old");
    copy(&data, &old);
    network.start(Process::Peer(1));
    network.until_ready();
    put(&network, 4..6);
    until("peer 1 has all", || tail(&network, &id).len() == 6);
    network.stop(Process::Peer(1));
    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
    network.start(Process::Peer(1));
    network.until_ready();
    until("the lost elements come again", || {
        tail(&network, &id).len() == 6
    });

    let blocks = network.ok(&["journal", "blocks", "--peer", &id]);
    let places: Vec<_> = blocks
        .iter()
        .map(|block| (block["incarnation"].as_u64(), block["height"].as_u64()))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    let (first, current) = (places[0].0, places[places.len() - 1].0);
    assert_ne!(first, current, "it has two incarnations");
    let verdict = &network.ok(&["journal", "verify", "--peer", &id])[0];
    assert_eq!(
        (&verdict["ok"], &verdict["elements"]),
        (&true.into(), &6.into())
    );
    assert_eq!(verdict["incarnation"].as_u64(), current);
    assert_eq!(verdict["blocks"], blocks.len());

    let all = tail(&network, &id);
    let offsets =
        |lines: &[Value]| -> Vec<_> { lines.iter().map(|line| line["offset"].as_u64()).collect() };
    assert_eq!(offsets(&all), (0..6).map(Some).collect::<Vec<_>>());
    let cursor = all[4]["cursor"].as_str().unwrap();
    let rest = network.ok(&["tail", "--peer", &id, "--no-follow", "--from", cursor]);
    assert_eq!(offsets(&rest), [Some(5)]);
}

/// Inserts works with these numbers.
fn put(network: &Network, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let record = format!(r#"{{"type":"artefact","meta":{{"id":"test:{number}"}}}}"#);
        let file = network.file("work.json", &record);
        network.ok(&["put", &file]);
    }
}

/// All elements of a peer's journal; fewer if the peer does not answer.
fn tail(network: &Network, id: &str) -> Vec<Value> {
    let args = ["tail", "--peer", id, "--from", "genesis", "--no-follow"];
    lines(&network.cli(&args))
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}
