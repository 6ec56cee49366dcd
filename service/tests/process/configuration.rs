//! Reading the configuration file of a role.

use std::path::{Path, PathBuf};

use kittengrad_service::config::{
    ConfigError, Configuration, StoreConfig, WrongValue, check_range, load, parse,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    network: PathBuf,
    credentials: PathBuf,
    data: PathBuf,
    #[serde(default)]
    store: StoreConfig,
}

impl Configuration for Config {
    fn paths(&mut self) -> [&mut PathBuf; 3] {
        [&mut self.network, &mut self.credentials, &mut self.data]
    }

    fn check(&self) -> Result<(), WrongValue> {
        self.store.check()
    }
}

const PATHS: &str = "network = \"n\"\ncredentials = \"../c\"\ndata = \"/d\"\n";

fn parsed(text: &str) -> Result<Config, ConfigError> {
    parse(text, Path::new("/srv/peer.toml"))
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = parsed(PATHS).unwrap();
    assert_eq!(config.network, Path::new("/srv/n"));
    assert_eq!(config.credentials, Path::new("/srv/../c"));
    assert_eq!(config.data, Path::new("/d"));
    assert_eq!(config.store, StoreConfig::default());
}

#[test]
fn a_wrong_value_is_refused_with_its_key_and_its_range() {
    let check = |text: &str, parts: &[&str]| {
        let error = parsed(&format!("{PATHS}{text}")).unwrap_err().to_string();
        let has = |part: &&str| error.contains(*part);
        assert!(parts.iter().all(has), "{error}");
    };
    check("colour = \"red\"", &["/srv/peer.toml", "colour"]);
    check(
        "[store]\ncache_mib = 7",
        &["/srv/peer.toml: store.cache_mib is 7, it may be 8 to 65536"],
    );
    check(
        "[store]\nwrite_buffer_mib = 65537",
        &["store.write_buffer_mib is 65537"],
    );
}

#[test]
fn both_ends_of_a_range_are_in_it() {
    let is_allowed = |value| check_range("key", value, &(8..=16)).is_ok();
    assert_eq!([7, 8, 16, 17].map(is_allowed), [false, true, true, false]);
}

#[test]
fn missing_file_is_named_with_the_option_for_another() {
    let error = load::<Config>(Path::new("/nowhere/peer.toml")).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("/nowhere/peer.toml") && error.contains("--config"),
        "{error}"
    );
}
