//! The configuration file of an aggregator, `aggregator.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

/// Why there is no configuration. Nothing was started.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}; name another with --config", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is no configuration of an aggregator.
    #[error("{path}: {error}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        error: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("{path}: {key} is {value}, {wanted}", path = path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says.
        value: u64,
        /// What it may say.
        wanted: &'static str,
    },
}

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

/// Memory and disk of the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Mebibytes of tables kept in memory, 8 to 65,536.
    pub cache_mib: u64,
    /// Mebibytes of writes kept in memory, 8 to 65,536.
    pub write_buffer_mib: u64,
    /// Mebibytes of free disk below which no more is read from sources; 0 switches it off.
    pub reserve_mib: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            cache_mib: 128,
            write_buffer_mib: 96,
            reserve_mib: 256,
        }
    }
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
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            error,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error: Box::new(error),
        })?;
        config.validate(path)?;
        Ok(config.resolved(path.parent().unwrap_or_else(|| Path::new(""))))
    }

    /// Paths relative to `folder` become paths from here.
    fn resolved(mut self, folder: &Path) -> Self {
        for path in [&mut self.network, &mut self.credentials, &mut self.data] {
            *path = folder.join(&*path);
        }
        self
    }

    fn validate(&self, path: &Path) -> Result<(), ConfigError> {
        let (mebibytes, millis) = (8..=65_536, 100..=600_000);
        let (wanted_mebibytes, wanted_millis) = ("it may be 8 to 65536", "it may be 100 to 600000");
        for (key, value, range, wanted) in [
            (
                "store.cache_mib",
                self.store.cache_mib,
                &mebibytes,
                wanted_mebibytes,
            ),
            (
                "store.write_buffer_mib",
                self.store.write_buffer_mib,
                &mebibytes,
                wanted_mebibytes,
            ),
            (
                "timing.fresh_ms",
                self.timing.fresh_ms,
                &millis,
                wanted_millis,
            ),
            (
                "timing.record_ms",
                self.timing.record_ms,
                &millis,
                wanted_millis,
            ),
        ] {
            if !range.contains(&value) {
                return Err(ConfigError::Range {
                    path: path.to_owned(),
                    key,
                    value,
                    wanted,
                });
            }
        }
        Ok(())
    }
}
