//! The configuration file of a peer, `peer.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kittengrad_service::serve::CALL_MAX;
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
    /// The file is no configuration of a peer.
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
        value: String,
        /// What it may say.
        wanted: &'static str,
    },
}

/// Everything that may be configured of a peer. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file: root certificate, namespace, replicas and members.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of this peer.
    pub credentials: PathBuf,
    /// Folder of the store; made if it is not there.
    pub data: PathBuf,
    /// Where to listen. What is left out is taken from this peer's identity in the network file.
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
    /// gRPC for clients, aggregators and indexers.
    pub grpc: Option<SocketAddr>,
    /// QUIC for partners.
    pub quic: Option<SocketAddr>,
    /// HTTP for operators: status, health, metrics.
    pub http: Option<SocketAddr>,
}

/// Memory and disk of the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Mebibytes of tables kept in memory, 8 to 65,536.
    pub cache_mib: usize,
    /// Mebibytes of writes kept in memory, 8 to 65,536.
    pub write_buffer_mib: usize,
    /// Mebibytes of free disk below which no more is taken from clients.
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

/// How long a submission may wait for other disks: less than a call may take.
const ACK_MS_MAX: u64 = 15_000;
const _: () = assert!((ACK_MS_MAX as u128) < CALL_MAX.as_millis());

/// How long to wait for what, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimingConfig {
    /// For the quorum of a submission, 100 to 600,000.
    pub ack_ms: u64,
    /// For partners after a start, 100 to 600,000.
    pub suspicion_ms: u64,
}

impl Default for TimingConfig {
    fn default() -> Self {
        let timing = kittengrad_node_core::Timing::default();
        Self {
            ack_ms: timing.ack_ms,
            suspicion_ms: timing.suspicion_ms,
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
        let mebibytes = 8..=65_536;
        let millis = 100..=600_000;
        let range = |key, value: String, wanted| ConfigError::Range {
            path: path.to_owned(),
            key,
            value,
            wanted,
        };
        for (key, value) in [
            ("store.cache_mib", self.store.cache_mib),
            ("store.write_buffer_mib", self.store.write_buffer_mib),
        ] {
            if !mebibytes.contains(&value) {
                return Err(range(key, value.to_string(), "it may be 8 to 65536"));
            }
        }
        // A submission must be answered before its call ends.
        let ack_ms = self.timing.ack_ms;
        if !(100..=ACK_MS_MAX).contains(&ack_ms) {
            let wanted = "it may be 100 to 15000";
            return Err(range("timing.ack_ms", ack_ms.to_string(), wanted));
        }
        let suspicion_ms = self.timing.suspicion_ms;
        if !millis.contains(&suspicion_ms) {
            let wanted = "it may be 100 to 600000";
            return Err(range(
                "timing.suspicion_ms",
                suspicion_ms.to_string(),
                wanted,
            ));
        }
        Ok(())
    }
}
