//! Runs the SDK's examples against a network of real processes, as their first lines describe.

use std::{path::Path, process::Command};

use crate::harness::{Network, text, until};

/// Builds the examples. After `make test` they are built already.
fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .args(["build", "--quiet", "--locked"])
        .args(["--package", "kittengrad", "--package", "kittengrad-client"])
        .arg("--examples");
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", text(&built));
}

/// Runs an example, which must succeed. Returns its standard output.
fn run(name: &str, network: &Network, arguments: &[&str]) -> String {
    // The test binary is TARGET/debug/deps/e2e-HASH.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let output = Command::new(folder.join(name))
        .arg(network.path().join("client.toml"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_examples_of_the_sdk_run_on_a_demo() {
    build();
    let network = Network::whole(3);

    let inserted = run("insert", &network, &["test:example", "An example"]);
    let cid = inserted.split(' ').next().unwrap();
    assert!(inserted.trim_end().ends_with("disks"), "{inserted}");

    let found = run("lookup", &network, &[cid]);
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines[0], "An example");
    assert!(lines[1].ends_with("  head  atlas"), "{found}");

    let (works, map) = network.works(20);
    let loaded = run("ingest", &network, &[&map, &works]);
    assert_eq!(loaded, "20 of 20 lines changed something\n");
    let again = run("ingest", &network, &[&map, &works]);
    assert_eq!(again, "0 of 20 lines changed something\n");

    // The example waits for this many elements: one insert with its update, and 20 more.
    let followed = run("follow", &network, &["21"]);
    assert_eq!(followed.lines().count(), 21);
    until("the example is in the aggregator's journal", || {
        run("follow", &network, &["21"]).contains(cid)
    });
}
