//! The configuration file of an indexer, `indexer.toml`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use kittengrad_proto::id::PublicKey;
pub use kittengrad_service::config::ConfigError;
use kittengrad_service::config::{self, Configuration, WrongValue, check_range};
use serde::Deserialize;

/// The configuration of an indexer. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file: root certificate, namespace and members.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of this indexer.
    pub credentials: PathBuf,
    /// Folder of the index; made if it is missing.
    pub data: PathBuf,
    /// Key of the aggregator to follow, in hexadecimal. Default: the first one in the network file.
    #[serde(default)]
    pub aggregator: Option<String>,
    /// Addresses to listen on.
    #[serde(default)]
    pub listen: Listen,
    /// Memory and disk.
    #[serde(default)]
    pub index: IndexConfig,
}

/// Addresses to listen on, each "ip:port".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// HTTP without TLS: page, search, status, metrics, all read-only. Default: the address of this indexer's identity
    /// in the network file, else [`HTTP_DEFAULT`].
    pub http: Option<SocketAddr>,
}

/// Memory and disk of the index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexConfig {
    /// Memory of documents before they are written, in mebibytes, 16 to 4,000.
    pub memory_mib: usize,
    /// Free disk below which no block is read, in mebibytes; 0 switches the check off.
    pub reserve_mib: u64,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            reserve_mib: 256,
        }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key, or a value of another type or outside its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config::load(path)
    }

    /// Reads and checks the text of the file at `path`.
    ///
    /// # Errors
    /// If the text has an unknown key, or a value of another type or outside its range.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        config::parse(text, path)
    }

    /// Key of the aggregator to follow, if one is named.
    #[must_use]
    pub fn aggregator_key(&self) -> Option<PublicKey> {
        self.aggregator.as_ref().and_then(|text| text.parse().ok())
    }
}

impl Configuration for Config {
    fn paths(&mut self) -> [&mut PathBuf; 3] {
        [&mut self.network, &mut self.credentials, &mut self.data]
    }

    fn check(&self) -> Result<(), WrongValue> {
        check_range("index.memory_mib", self.index.memory_mib, &MEMORY_MIB)?;
        match &self.aggregator {
            Some(text) if text.parse::<PublicKey>().is_err() => Err(WrongValue {
                key: "aggregator",
                value: format!("{text:?}"),
                wanted: "it must be 64 lower-case hexadecimal characters".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Address of HTTP if neither the configuration nor the network file has one.
pub const HTTP_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4710);
/// Range of `index.memory_mib` that Tantivy accepts for one worker.
const MEMORY_MIB: std::ops::RangeInclusive<usize> = 16..=4_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = Config::parse(text, Path::new("/srv/indexer.toml"));
        let found = found.map_or_else(|error| error.to_string(), |config| format!("{config:?}"));
        assert!(found.contains(expected), "{text}\n{found}");
    }

    const PATHS: &str = "network = \"n\"\ncredentials = \"c\"\ndata = \"/d\"\n";

    #[test]
    fn the_sample_says_what_is_the_default_and_names_every_key() {
        let text = include_str!("../../deploy/indexer.toml");
        let config = Config::parse(text, Path::new("indexer.toml")).unwrap();
        assert_eq!(
            (config.listen, config.index),
            (
                Listen {
                    http: Some(HTTP_DEFAULT)
                },
                IndexConfig::default()
            )
        );
        assert_eq!(config.aggregator, None);
        // The sample has optional keys as comments. It must be valid with them too.
        let all: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let config = Config::parse(&all, Path::new("indexer.toml")).unwrap();
        assert!(config.aggregator_key().is_some());
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = Config::parse(PATHS, Path::new("/srv/indexer.toml")).unwrap();
        assert_eq!(config.network, Path::new("/srv/n"));
        assert_eq!(config.data, Path::new("/d"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_key() {
        check("", "network");
        check("network = ", "/srv/indexer.toml");
        check(&format!("{PATHS}colour = \"red\""), "colour");
        check(&format!("{PATHS}[listen]\nhttp = \"nowhere\""), "http");
        check(
            &format!("{PATHS}[listen]\nhttps = \"127.0.0.1:1\""),
            "https",
        );
        check(
            &format!("{PATHS}[index]\nmemory_mib = 1"),
            "index.memory_mib is 1, it may be 16 to 4000",
        );
        check(
            &format!("{PATHS}aggregator = \"3b6a\""),
            "aggregator is \"3b6a\"",
        );
    }
}
