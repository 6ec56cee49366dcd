//! A bit flips on a disk and is read while the process runs.

use std::{fs, path::Path};

use crate::harness::{Network, Process, lines, until};

/// Keeps S8.
#[test]
fn a_peer_that_reads_damage_fills_a_new_store() {
    let mut network = Network::with_peers(3);
    network.start(Process::Aggregator);
    network.until_ready();
    let record = r#"{"type":"artefact","meta":{"id":"test:rot"}}"#;
    let file = network.file("work.json", record);
    let cid = network.ok(&["put", &file])[0]["cid"].clone();
    let text = "all work and no play ".repeat(200);
    let update = network.file("update.json", &format!(r#"{{"text":"{text}"}}"#));
    let cid = cid.as_str().unwrap();
    network.ok(&["update", cid, &update, "--publisher", "atlas"]);
    // Short timeouts, because the test asks processes that ended.
    let config = fs::read_to_string(network.path().join("client.toml")).unwrap();
    let hasty = "\n[timeouts]\nattempt_ms = 1_000\nread_ms = 2_000\n";
    network.file("client.toml", &(config + hasty));
    let peer = network.peer_id(1);
    for (process, source) in [
        (Process::Peer(1), vec!["--peer", &peer]),
        (Process::Aggregator, vec!["--aggregator"]),
    ] {
        until("the journal has both", || tail(&network, &source) == 2);
        // Rows that are only in the log are written to tables when the store opens.
        network.kill(process);
        network.start(process);
        network.until_ready();
        network.stop(process);
        let data = network.folder(process).join("data");
        rot(&data);
        network.start(process);
        until("the process ends, as the rotten row is read", || {
            tail(&network, &source);
            network.ended(process).is_some()
        });
        assert!(
            data.join("db.damaged-1").exists(),
            "{process:?} put nothing aside"
        );
        network.start(process);
        network.until_ready();
        until("the journal has both again", || {
            tail(&network, &source) == 2
        });
    }
}

/// The number of elements that a journal shows, with their records.
fn tail(network: &Network, source: &[&str]) -> usize {
    let mut args = vec!["tail", "--from", "genesis", "--no-follow"];
    args.extend(source);
    lines(&network.cli(&args)).len()
}

/// Flips a bit in the middle of every file of large records.
fn rot(data: &Path) {
    let mut count = 0;
    for entry in fs::read_dir(data.join("db")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "blob")
        {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
            count += 1;
        }
    }
    assert!(count > 0, "no record is large");
}
