//! Kills processes with SIGKILL in the middle of a load.

use std::{collections::BTreeSet, io::Write, process::Stdio};

use crate::{
    copies::{check_copies, check_views},
    harness::{Network, Process, lines, text as text_of, until},
};

/// Keeps S1, S5.
#[test]
fn no_kill_during_an_ingest_loses_an_acknowledged_update() {
    let mut network = Network::whole(5);
    let (works, map) = network.works(4_000);
    let original = std::fs::read_to_string(&works).unwrap();
    let rejects = network
        .path()
        .join("rejects.ndjson")
        .to_str()
        .unwrap()
        .to_owned();
    for victim in [
        Process::Peer(2),
        Process::Aggregator,
        Process::Peer(5),
        Process::Indexer,
    ] {
        let text = original.replace("Work number", &format!("Work ({victim:?}) number"));
        let (first, second) = halves(&text);
        let before = heights(&network);
        let mut loading = network
            .cli_command(&["ingest", "--map", &map, "-", "--rejects", &rejects])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines_in = loading.stdin.take().unwrap();
        lines_in.write_all(first.as_bytes()).unwrap();
        until("the load is under way", || heights(&network) != before);
        network.kill(victim);
        lines_in.write_all(second.as_bytes()).unwrap();
        drop(lines_in);
        network.start(victim);
        let loaded = loading.wait_with_output().unwrap();
        assert!(
            loaded.status.code().is_some_and(|code| code <= 1),
            "{}",
            text_of(&loaded)
        );
        network.until_ready();
        let total = lines(&loaded).pop().unwrap();
        let parts = ["inserted", "updated", "unchanged", "refused"];
        let sum: u64 = parts.iter().map(|key| total[key].as_u64().unwrap()).sum();
        assert_eq!(total["read"], sum, "every line is accounted for: {total}");
        network.file("works.ndjson", &text);
    }
    let last = &network.ok(&["ingest", "--map", &map, &works]);
    assert_eq!(last.last().unwrap()["refused"], 0);
    let again = network.ok(&["ingest", "--map", &map, &works]);
    let again = again.last().unwrap();
    assert_eq!(
        (&again["inserted"], &again["updated"]),
        (&0.into(), &0.into()),
        "a second run adds nothing"
    );

    let canonicals: BTreeSet<String> = check_views(&network, 4_000);
    check_copies(&network, &canonicals);
}

/// The lines before and after the middle.
fn halves(text: &str) -> (&str, &str) {
    let middle = text.len() / 2;
    text.split_at(middle + text[middle..].find('\n').unwrap() + 1)
}

/// The heights of the journals of all peers.
fn heights(network: &Network) -> Vec<u64> {
    let ring = network.cli(&["ring", "show"]);
    let ring = lines(&ring).pop().unwrap_or_default();
    let peers = ring["peers"].as_array().cloned().unwrap_or_default();
    peers
        .iter()
        .map(|peer| peer["height"].as_u64().unwrap_or_default())
        .collect()
}
