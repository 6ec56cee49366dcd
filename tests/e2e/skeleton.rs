//! Three processes: put, get, kill -9, restart.

use crate::harness::{Network, Process, until};

/// Keeps S11.
#[test]
fn an_acknowledged_put_survives_the_kill_of_any_peer() {
    let mut network = Network::with_peers(3);
    let file = network.file("work.json", r#"{"type":"artefact","meta":{"id":"test:1"}}"#);
    let put = &network.ok(&["put", &file])[0];
    let cid = put["cid"].as_str().unwrap();
    assert_eq!(put["new"], true);
    assert!(put["synced"].as_array().unwrap().len() >= 2);
    assert_eq!(
        network.ok(&["put", &file])[0]["new"],
        false,
        "the second put is not new"
    );

    let content = network.file(
        "update.json",
        r#"{"title":"A work","width":91.5,"parts":3}"#,
    );
    let update = &network.ok(&[
        "update",
        cid,
        &content,
        "--name",
        "A work",
        "--publisher",
        "atlas",
    ])[0];
    let update = update["cid"].as_str().unwrap().to_owned();

    for number in 1..=3 {
        network.kill(Process::Peer(number));
        let got = &network.ok(&["get", cid])[0];
        assert_eq!(
            got["updates"][0]["cid"],
            update.as_str(),
            "with peer {number} dead"
        );
        network.start(Process::Peer(number));
        network.until_ready();
    }
    for id in network.peer_ids() {
        until("every replica has the update", || {
            let got = network.cli(&["get", cid, "--peer", &id]);
            got.status.success()
                && crate::harness::lines(&got)[0]["updates"][0]["cid"] == update.as_str()
        });
        let verified = &network.ok(&["journal", "verify", "--peer", &id])[0];
        assert_eq!(verified["ok"], true, "{verified}");
    }
}

#[test]
fn a_peer_that_is_told_to_stop_ends_with_exit_code_0() {
    let mut network = Network::with_peers(3);
    for number in 1..=3 {
        network.stop(Process::Peer(number));
    }
}
