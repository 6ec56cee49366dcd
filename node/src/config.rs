//! The configuration file of a peer, `peer.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use kittengrad_service::config::{ConfigError, StoreConfig};
use kittengrad_service::{
    config::{self, Configuration, MILLIS, WrongValue, check_range},
    serve::CALL_MAX,
};
use serde::Deserialize;

/// The options of a peer. Relative paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file: root certificate, namespace, replicas and members.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of this peer.
    pub credentials: PathBuf,
    /// Folder of the store. It is created if it is missing.
    pub data: PathBuf,
    /// Addresses to listen on. A missing one comes from this peer's identity in the network file.
    #[serde(default)]
    pub listen: Listen,
    /// Memory and disk.
    #[serde(default)]
    pub store: StoreConfig,
    /// Time limits.
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

/// Milliseconds that a submission waits for other disks, at most: less than the limit of a call.
const ACK_MS_MAX: u64 = 15_000;
const _: () = assert!((ACK_MS_MAX as u128) < CALL_MAX.as_millis());

/// Time limits, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimingConfig {
    /// The time for the quorum of a submission, 100 to 15,000.
    pub ack_ms: u64,
    /// The time for partners to answer after a start, 100 to 600,000.
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
    /// If the file cannot be read, has an unknown key, or has a value out of its range.
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
        // A submission must be answered before its call ends.
        let ack_ms = *MILLIS.start()..=ACK_MS_MAX;
        check_range("timing.ack_ms", self.timing.ack_ms, &ack_ms)?;
        check_range("timing.suspicion_ms", self.timing.suspicion_ms, &MILLIS)
    }
}
