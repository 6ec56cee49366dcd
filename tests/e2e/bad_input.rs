//! Bad input gets a clear error and a non-zero exit code, and nothing is lost.

use std::{net::TcpListener, process::Stdio};

use crate::harness::{Network, Process, ends, program, text};

/// Checks that a process ends with exit code 1 or 2, prints each of `words`, and does not panic.
fn refuses(output: &std::process::Output, words: &[&str]) {
    let printed = text(output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
    for word in words {
        assert!(printed.contains(word), "no {word:?} in: {printed}");
    }
}

#[test]
fn a_peer_with_an_unknown_configuration_key_names_it() {
    let network = Network::prepare(1);
    let path = network.folder(Process::Peer(1)).join("peer.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("colour = \"blue\"\n{text}")).unwrap();
    refuses(
        &network.run_to_end(Process::Peer(1)),
        &["peer.toml", "colour"],
    );
}

#[test]
fn a_port_in_use_is_named_with_its_configuration_key() {
    let network = Network::prepare(1);
    let http = network.http(Process::Peer(1));
    let _taken = TcpListener::bind(http.trim_start_matches("http://")).unwrap();
    refuses(&network.run_to_end(Process::Peer(1)), &["listen.http"]);
}

#[test]
fn two_processes_do_not_share_a_data_directory() {
    let network = Network::with_peers(1);
    let folder = network.folder(Process::Peer(1));
    let text = std::fs::read_to_string(folder.join("peer.toml")).unwrap();
    let listen =
        "\n[listen]\ngrpc = \"127.0.0.1:0\"\nquic = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
    std::fs::write(folder.join("second.toml"), format!("{text}{listen}")).unwrap();
    let second = program()
        .args(["peer", "run", "--config"])
        .arg(folder.join("second.toml"))
        .output()
        .unwrap();
    refuses(&second, &["data"]);
}

#[test]
fn a_data_directory_of_another_network_is_refused() {
    let mut network = Network::with_peers(1);
    network.stop(Process::Peer(1));
    let other = Network::prepare(1);
    let data = network.folder(Process::Peer(1)).join("data");
    std::fs::rename(&data, other.folder(Process::Peer(1)).join("data")).unwrap();
    refuses(&other.run_to_end(Process::Peer(1)), &["data"]);
    std::fs::rename(other.folder(Process::Peer(1)).join("data"), &data).unwrap();
    network.start(Process::Peer(1));
    network.until_ready();
}

#[test]
fn a_member_with_a_used_or_needless_address_is_refused() {
    let network = Network::prepare(2);
    let file = network.path().join("network.toml");
    let before = std::fs::read(&file).unwrap();
    let add = |process: Process, args: &[&str]| {
        let mut command = program();
        command.args(["network", "add", "--network"]).arg(&file);
        command.arg("--credentials").arg(network.folder(process));
        command.args(args).output().unwrap()
    };
    let other = network.described()["peers"][1]["grpc"].clone();
    let other = other.as_str().unwrap().trim_start_matches("https://");
    refuses(
        &add(Process::Peer(1), &["--grpc", other]),
        &[other, "choose another"],
    );
    refuses(
        &add(
            Process::Indexer,
            &["--role", "indexer", "--grpc", "127.0.0.1:1"],
        ),
        &["omit --grpc"],
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn members_that_are_added_at_the_same_time_are_all_there() {
    let network = Network::prepare(5);
    let file = network.path().join("together.toml");
    let root = network.path().join("ca/root.pem");
    let mut make = program();
    make.args(["network", "make", "--namespace", "demo", "--root"]);
    make.arg(root).arg("--out").arg(&file);
    assert!(make.stderr(Stdio::null()).status().unwrap().success());
    let added: Vec<_> = (1..=5)
        .map(|number| {
            let mut add = program();
            add.args(["network", "add", "--network"]).arg(&file);
            add.arg("--credentials")
                .arg(network.folder(Process::Peer(number)));
            for (port, name) in ["--grpc", "--quic", "--http"].into_iter().enumerate() {
                add.args([name, &format!("127.0.0.1:{number}00{port}")]);
            }
            add.stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut added in added {
        assert!(added.wait().unwrap().success());
    }
    let text = std::fs::read_to_string(&file).unwrap();
    for number in 1..=5 {
        assert!(text.contains(&format!(":{number}000")), "{text}");
    }
}

#[test]
fn a_demo_that_cannot_say_that_it_is_ready_fails() {
    let dir = tempfile::TempDir::new().unwrap();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut demo = program();
    demo.args(["demo", "--bare", "--peers", "1", "--json", "--dir"]);
    let demo = ends(demo.arg(dir.path()).stdout(full));
    refuses(&demo, &["No space left on device"]);
}

#[test]
fn an_empty_variable_names_no_configuration() {
    let dir = tempfile::TempDir::new().unwrap();
    let shown = program()
        .args(["ring", "show"])
        .env("KITTENGRAD_CONFIG", "")
        .current_dir(dir.path())
        .output()
        .unwrap();
    refuses(&shown, &["no configuration"]);
}

#[test]
fn malformed_arguments_are_wrong_use_unlike_files() {
    let network = Network::with_peers(1);
    refuses(&network.cli(&["get", "bafynonsense"]), &["bafynonsense"]);
    refuses(
        &network.cli(&["tail", "--from", "nowhere", "--no-follow"]),
        &["nowhere"],
    );
    for bad in [
        "",
        "{",
        "[]",
        "{\"type\":\"artefact\"}",
        "{\"type\":\"x\",\"meta\":{}}",
        "{\"type\":\"entity\",\"meta\":{\"a\":1,\"a\":2}}",
    ] {
        let file = network.file("bad.json", bad);
        refuses(&network.cli(&["put", &file]), &[]);
    }
    let garbage = network.file(
        "chain.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    std::fs::copy(garbage, network.path().join("client/chain.pem")).unwrap();
    refuses(&network.cli(&["ring", "show"]), &["chain.pem"]);
}
