//! Mistakes that keep an aggregator from starting, and their messages.

use std::{fs, path::Path};

use kittengrad_aggregator::config::Config;
use kittengrad_pki::authority::Authority;
use kittengrad_proto::certificate::Role;
use kittengrad_support::authority::{admit, authority};

use crate::network::{Running, World, write_credentials};

async fn check(config: Config, parts: &[&str]) {
    let error = Running::start(config).await.err().unwrap().to_string();
    for part in parts {
        assert!(error.contains(part), "{error:?} does not contain {part:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_named_with_what_to_do() {
    let world = World::new(1).await;
    let config = || world.config();
    let with_credentials = |name: &str, authority: &Authority, role| {
        let mut config = config();
        let credentials = admit(authority, role);
        config.credentials = write_credentials(&world.dir.path().join(name), &credentials);
        config
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let mut port = config();
    port.listen.http = Some(address);
    check(port, &[&address.to_string(), "`listen.http`", "ss -ltunp"]).await;

    let mut nowhere = config();
    nowhere.network = world.dir.path().join("nothing.toml");
    check(nowhere, &["nothing.toml", "network make"]).await;

    let mut empty = config();
    empty.credentials = world.dir.path().join("nothing");
    check(empty, &["does not exist", "ca admit --role aggregator"]).await;

    let peer = with_credentials("peer", &world.authority, Role::Peer);
    check(peer, &["peer", "aggregator"]).await;

    let stranger = with_credentials("stranger", &world.authority, Role::Aggregator);
    check(stranger, &["not in the network file", "network add"]).await;

    let foreign = with_credentials("foreign", &authority(), Role::Aggregator);
    check(foreign, &["belong to network", "the network file to"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_another_network_is_left_alone() {
    let (one, two) = (World::new(1).await, World::new(1).await);
    one.start().await.stop().await;
    let mut config = two.config();
    config.data = one.config().data;
    check(config, &["belongs to", "choose another directory"]).await;
    one.start().await.stop().await;
}

#[test]
fn the_sample_configuration_says_the_defaults() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/aggregator.toml");
    let config = Config::load(&sample).unwrap();
    assert_eq!(
        config.store,
        kittengrad_aggregator::config::StoreConfig::default()
    );
    assert_eq!(
        config.timing,
        kittengrad_aggregator::config::TimingConfig::default()
    );
    assert_eq!(
        config.listen,
        kittengrad_aggregator::config::Listen::default()
    );
    assert!(config.network.ends_with("deploy/network.toml"));

    // The commented keys are valid keys too.
    let text = fs::read_to_string(sample).unwrap().replace("#: ", "");
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().join("all.toml");
    fs::write(&all, text).unwrap();
    let config = Config::load(&all).unwrap();
    assert!(config.listen.grpc.is_some() && config.listen.http.is_some());
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aggregator.toml");
    let needed = "network = \"n\"\ncredentials = \"c\"\ndata = \"d\"\n";
    for (text, part) in [
        ("", "network"),
        ("netwrk = \"n\"\n", "netwrk"),
        (
            &format!("{needed}[listen]\nquic = \"127.0.0.1:1\"\n"),
            "quic",
        ),
        (&format!("{needed}[listen]\ngrpc = \"somewhere\"\n"), "grpc"),
        (
            &format!("{needed}[store]\ncache_mib = 1\n"),
            "store.cache_mib is 1",
        ),
        (
            &format!("{needed}[timing]\nfresh_ms = 0\n"),
            "timing.fresh_ms is 0",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let error = Config::load(&path).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("aggregator.toml"),
            "{error:?}: {part:?}"
        );
    }
}
