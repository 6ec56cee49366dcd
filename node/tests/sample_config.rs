//! The sample configuration of a peer: it parses, and states the defaults.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use kittengrad_node::config::{Config, Listen, StoreConfig, TimingConfig};

const SAMPLE: &str = include_str!("../../deploy/peer.toml");

/// Loads a configuration file with this text. Its paths are relative.
fn load(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peer.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    let below = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_owned();
    Config {
        network: below(&config.network),
        credentials: below(&config.credentials),
        data: below(&config.data),
        ..config
    }
}

/// Checks that the text gives the default configuration, with `listen`.
fn check(text: &str, listen: Listen) {
    let expected = Config {
        network: "network.toml".into(),
        credentials: "credentials".into(),
        data: "data".into(),
        listen,
        store: StoreConfig::default(),
        timing: TimingConfig::default(),
    };
    assert_eq!(load(text), expected);
}

#[test]
fn the_sample_says_the_defaults() {
    check(SAMPLE, Listen::default());
}

#[test]
fn keys_that_are_left_out_by_default_are_keys() {
    let listen = Listen {
        grpc: Some("0.0.0.0:4700".parse().unwrap()),
        quic: Some("0.0.0.0:4701".parse().unwrap()),
        http: Some("127.0.0.1:4702".parse().unwrap()),
    };
    check(&SAMPLE.replace("#: ", ""), listen);
}

#[test]
fn what_is_left_out_is_the_same_as_what_the_sample_says() {
    check(
        "network = \"network.toml\"\ncredentials = \"credentials\"\ndata = \"data\"\n",
        Listen::default(),
    );
}

/// Every table and key of the configuration is in the sample, with or without `#:`. The other direction needs no test,
/// because loading refuses unknown keys.
#[test]
fn every_key_is_in_the_sample() {
    let config = format!("{:?}", load(SAMPLE));
    let keys = config
        .split([' ', '{', '}'])
        .filter_map(|word| word.strip_suffix(':'));
    for key in keys {
        let is_there = SAMPLE.lines().any(|line| {
            let line = line.trim_start_matches("#: ");
            line.starts_with(&format!("{key} = ")) || line == format!("[{key}]")
        });
        assert!(is_there, "{key}");
    }
}
