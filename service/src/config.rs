//! Configuration files: reads and checks them. An error names the key of the wrong value.

use std::{
    fmt, fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;

/// Why a configuration was not loaded. Nothing was started.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}; name another with --config", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not a configuration of this role.
    #[error("{path}: {error}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The error, with line and column.
        error: Box<toml::de::Error>,
    },
    /// A value is out of its range or contradicts another.
    #[error("{path}: {wrong}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The value.
        wrong: WrongValue,
    },
}

/// A value that is out of its range or contradicts another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key} is {value}, {wanted}")]
pub struct WrongValue {
    /// Its key, for example `store.cache_mib`.
    pub key: &'static str,
    /// The value found.
    pub value: String,
    /// The allowed values, for example "it may be 8 to 65536".
    pub wanted: String,
}

/// The configuration of one role. Its `Deserialize` must refuse unknown keys.
pub trait Configuration: DeserializeOwned {
    /// Its paths. [`parse`] makes them relative to the folder of the file.
    fn paths(&mut self) -> [&mut PathBuf; 3];

    /// Checks the rules that types do not express: ranges, and values that depend on each other.
    ///
    /// # Errors
    /// The first wrong value.
    fn check(&self) -> Result<(), WrongValue>;
}

/// Reads and checks a configuration file.
///
/// # Errors
/// If the file cannot be read, is not TOML, or has an unknown key or a wrong value.
pub fn load<C: Configuration>(path: &Path) -> Result<C, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Read {
        path: path.to_owned(),
        error,
    })?;
    parse(&text, path)
}

/// Reads and checks the text of the file at `path`.
///
/// # Errors
/// If the text is not TOML, or has an unknown key or a wrong value.
pub fn parse<C: Configuration>(text: &str, path: &Path) -> Result<C, ConfigError> {
    let mut config: C = toml::from_str(text).map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        error: Box::new(error),
    })?;
    config.check().map_err(|wrong| ConfigError::Value {
        path: path.to_owned(),
        wrong,
    })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    for path in config.paths() {
        *path = folder.join(&*path);
    }
    Ok(config)
}

/// Refuses a value outside of a range. Both ends are allowed.
///
/// # Errors
/// [`WrongValue`] with the range.
pub fn check_range<T: PartialOrd + fmt::Display>(
    key: &'static str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), WrongValue> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(WrongValue {
        key,
        value: value.to_string(),
        wanted: format!("it may be {} to {}", range.start(), range.end()),
    })
}

/// Allowed values of any option in milliseconds.
pub const MILLIS: RangeInclusive<u64> = 100..=600_000;
/// Allowed values of an option for a store's memory, in mebibytes.
const MEBIBYTES: RangeInclusive<u64> = 8..=65_536;

/// Memory and disk of a store, `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Mebibytes of tables kept in memory, 8 to 65,536.
    pub cache_mib: u64,
    /// Mebibytes of writes kept in memory, 8 to 65,536.
    pub write_buffer_mib: u64,
    /// Mebibytes of free disk below which a peer takes no more from clients, and an aggregator reads no more from its
    /// sources. 0 switches the check off.
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

impl StoreConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first value out of its range.
    pub fn check(&self) -> Result<(), WrongValue> {
        check_range("store.cache_mib", self.cache_mib, &MEBIBYTES)?;
        check_range("store.write_buffer_mib", self.write_buffer_mib, &MEBIBYTES)
    }

    /// [`StoreConfig::cache_mib`] in bytes.
    #[must_use]
    pub fn cache_bytes(&self) -> usize {
        bytes(self.cache_mib)
    }

    /// [`StoreConfig::write_buffer_mib`] in bytes.
    #[must_use]
    pub fn write_buffer_bytes(&self) -> usize {
        bytes(self.write_buffer_mib)
    }
}

fn bytes(mebibytes: u64) -> usize {
    usize::try_from(mebibytes.saturating_mul(1024 * 1024)).unwrap_or(usize::MAX)
}
