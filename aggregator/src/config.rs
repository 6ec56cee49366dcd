//! The configuration file of an aggregator, `aggregator.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kittengrad_service::config::{self, Configuration, MILLIS, WrongValue, check_range};
pub use kittengrad_service::config::{ConfigError, StoreConfig};
use serde::Deserialize;

/// Everything that may be configured of an aggregator. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file: root certificate, namespace, replicas and members.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of this aggregator.
    pub credentials: PathBuf,
    /// Folder of the store; made if it is not there.
    pub data: PathBuf,
    /// Where to listen. What is left out is taken from this aggregator's identity in the network file.
    #[serde(default)]
    pub listen: Listen,
    /// Memory and disk.
    #[serde(default)]
    pub store: StoreConfig,
    /// How long to wait for what.
    #[serde(default)]
    pub timing: TimingConfig,
}

/// Addresses to listen on, each "ip:port".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// gRPC for clients, indexers and peers.
    pub grpc: Option<SocketAddr>,
    /// HTTP for operators: status, health, metrics.
    pub http: Option<SocketAddr>,
}

/// How long to wait for what, in milliseconds, each 100 to 600,000.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimingConfig {
    /// A source's signed head counts as fresh for so long. Sources sign one a second at least.
    pub fresh_ms: u64,
    /// A transaction waits so long for records that its source does not have.
    pub record_ms: u64,
}

impl Default for TimingConfig {
    fn default() -> Self {
        let timing = kittengrad_aggregator_core::Timing::default();
        Self {
            fresh_ms: timing.fresh_ms,
            record_ms: timing.record_ms,
        }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// If it cannot be read, has a key that is not known, or a value out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config::load(path)
    }
}

impl Configuration for Config {
    fn paths(&mut self) -> [&mut PathBuf; 3] {
        [&mut self.network, &mut self.credentials, &mut self.data]
    }

    fn check(&self) -> Result<(), WrongValue> {
        self.store.check()?;
        check_range("timing.fresh_ms", self.timing.fresh_ms, &MILLIS)?;
        check_range("timing.record_ms", self.timing.record_ms, &MILLIS)
    }
}
