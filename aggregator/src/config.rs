//! The configuration file of an aggregator, `aggregator.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kittengrad_aggregator_core::TOLERATE_MAX;
use kittengrad_service::config::{self, Configuration, MILLIS, WrongValue, check_range};
pub use kittengrad_service::config::{ConfigError, StoreConfig};
use serde::Deserialize;

/// The configuration of an aggregator. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file: root certificate, namespace, replicas and members.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of this aggregator.
    pub credentials: PathBuf,
    /// Folder of the store. Created if it does not exist.
    pub data: PathBuf,
    /// Addresses to listen on. A missing one comes from this aggregator's identity in the network file.
    #[serde(default)]
    pub listen: Listen,
    /// Memory and disk.
    #[serde(default)]
    pub store: StoreConfig,
    /// Faulty replicas of each cell that do not make the view incomplete: 0 or 1. With 1, every cell is read twice.
    #[serde(default)]
    pub tolerate: usize,
    /// Times to wait.
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

/// Times to wait, in milliseconds, each 100 to 600,000.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimingConfig {
    /// How long a source's signed head counts as fresh. A source signs at least one a second.
    pub fresh_ms: u64,
}

impl Default for TimingConfig {
    fn default() -> Self {
        let timing = kittengrad_aggregator_core::Timing::default();
        Self {
            fresh_ms: timing.fresh_ms,
        }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown key, or a value out of its range.
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
        check_range("tolerate", self.tolerate as u64, &(0..=TOLERATE_MAX as u64))?;
        check_range("timing.fresh_ms", self.timing.fresh_ms, &MILLIS)
    }
}
