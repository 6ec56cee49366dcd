//! kill -9 in the middle of a load.

use std::{collections::BTreeSet, process::Stdio};

use crate::{
    copies::{check_copies, check_views},
    harness::{Network, Process, lines, text, until},
};

#[test]
fn nothing_acknowledged_is_lost_when_any_one_process_is_killed_in_mid_ingest() {
    let mut network = Network::whole(5);
    let (works, map) = network.works(4_000);
    for victim in [Process::Peer(2), Process::Aggregator, Process::Peer(5), Process::Indexer] {
        // Each round loads what earlier rounds left, so that every kill meets writes under way.
        let loading = network
            .cli_command(&["ingest", "--map", &map, &works])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let before = tail_height(&network);
        until("the load is under way", || tail_height(&network) != before || victim == Process::Indexer);
        network.kill(victim);
        network.start(victim);
        let loaded = loading.wait_with_output().unwrap();
        assert!(loaded.status.code().is_some_and(|code| code <= 1), "{}", text(&loaded));
        network.until_ready();
        let total = lines(&loaded).pop().unwrap();
        let sum: u64 = ["inserted", "updated", "unchanged", "refused"].iter().map(|key| total[key].as_u64().unwrap()).sum();
        assert_eq!(total["read"], sum, "every line is accounted for: {total}");
        // The next round must have something to do.
        network.file("works.ndjson", &changed(&works, victim));
    }
    let last = &network.ok(&["ingest", "--map", &map, &works]);
    assert_eq!(last.last().unwrap()["refused"], 0);
    let again = network.ok(&["ingest", "--map", &map, &works]);
    let again = again.last().unwrap();
    assert_eq!((&again["inserted"], &again["updated"]), (&0.into(), &0.into()), "a second run adds nothing");

    let canonicals: BTreeSet<String> = check_views(&network, 4_000);
    check_copies(&network, &canonicals);
}

/// The same works with other titles.
fn changed(works: &str, victim: Process) -> String {
    let text = std::fs::read_to_string(works).unwrap();
    text.replace("Work number", &format!("Work ({victim:?}) number"))
}

/// Where the journals of all peers end.
fn tail_height(network: &Network) -> Vec<u64> {
    let ring = network.cli(&["ring", "show"]);
    let ring = lines(&ring).pop().unwrap_or_default();
    let peers = ring["peers"].as_array().cloned().unwrap_or_default();
    peers.iter().map(|peer| peer["height"].as_u64().unwrap_or_default()).collect()
}
