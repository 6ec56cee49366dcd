//! The configuration of a client: `client.toml`, or `kittengrad.toml` in the working directory.
//!
//! ```
//! use kittengrad_client::config::ClientConfig;
//!
//! let text = r#"
//!     network = "network.toml"
//!     credentials = "credentials"
//!     [[publisher]]
//!     name = "tate"
//!     credentials = "publishers/tate"
//! "#;
//! let config = ClientConfig::parse(text, "/srv/demo".as_ref())?;
//! assert_eq!(config.network.to_str(), Some("/srv/demo/network.toml"));
//! assert_eq!(config.timeouts.read_ms, 15_000);
//! # Ok::<(), kittengrad_client::config::ConfigError>(())
//! ```

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use kittengrad_proto::id::PublicKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Environment variable that names the configuration file, unless an argument does.
pub const CONFIG_VARIABLE: &str = "KITTENGRAD_CONFIG";
/// The configuration file if neither an argument nor [`CONFIG_VARIABLE`] names one.
pub const CONFIG_FILE: &str = "kittengrad.toml";

/// Why a configuration cannot be loaded. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No file was named, and the default file does not exist.
    #[error(
        "no configuration: name one with --config or ${CONFIG_VARIABLE}, or work where {CONFIG_FILE} is; \
         `kittengrad demo --prepare --dir DIR` writes DIR/client.toml"
    )]
    Unnamed,
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {why}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        why: String,
    },
    /// Not TOML, or a key is missing, unknown or of another type.
    #[error("{path}: {why}", path = path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The error, with line and column.
        why: String,
    },
    /// A value is invalid.
    #[error("{path}: `{key}` {why}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The error.
        why: String,
    },
}

/// The configuration of a client. Paths are relative to the folder of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The network file.
    pub network: PathBuf,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of the client, which make the calls.
    pub credentials: PathBuf,
    /// Key of the aggregator to ask, in hexadecimal; by default the first that the network file lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregator: Option<String>,
    /// Address of the indexer to search with, `http://host:port`; by default the first that the network file lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexer: Option<String>,
    /// How long to wait for answers.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Publishers that sign updates. Without any, the client signs with its own key, under the name on its certificate.
    #[serde(default, rename = "publisher")]
    pub publishers: Vec<PublisherConfig>,
}

/// A publisher whose key this client has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherConfig {
    /// Name in `--publisher` and in ingest maps. It is local to this configuration.
    pub name: String,
    /// Folder with `key.pem`, `chain.pem` and `root.pem` of the publisher.
    pub credentials: PathBuf,
}

/// Timeouts of a client, in milliseconds. All are above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For one answer of one replica. After it, the next replica is asked.
    pub attempt_ms: u64,
    /// For a read with all its attempts. At least `attempt_ms`.
    pub read_ms: u64,
    /// For a write with all its attempts. At least `attempt_ms`.
    pub write_ms: u64,
    /// For the next frame of a subscription. After it, the subscription connects again. Longer than the interval of
    /// heartbeats.
    pub silence_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            attempt_ms: 10_000,
            read_ms: 15_000,
            write_ms: 60_000,
            silence_ms: 20_000,
        }
    }
}

/// Finds the configuration file: the one named, else the one in `$KITTENGRAD_CONFIG`, else `./kittengrad.toml`.
///
/// # Errors
/// [`ConfigError::Unnamed`] if none is named and `./kittengrad.toml` does not exist.
pub fn locate(explicit: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let named = explicit.map(Path::to_owned);
    let named = named.or_else(|| {
        env::var_os(CONFIG_VARIABLE)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    });
    match named {
        Some(path) => Ok(path),
        None if Path::new(CONFIG_FILE).is_file() => Ok(PathBuf::from(CONFIG_FILE)),
        None => Err(ConfigError::Unnamed),
    }
}

impl ClientConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] with file and key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |e: io::Error| ConfigError::Read {
            path: path.to_owned(),
            why: e.to_string(),
        };
        let text = fs::read_to_string(path).map_err(read)?;
        Self::read(&text, path, path.parent().unwrap_or_else(|| Path::new("")))
    }

    /// Reads and checks a text whose paths are relative to `dir`.
    ///
    /// # Errors
    /// [`ConfigError`] with the key.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, ConfigError> {
        Self::read(text, Path::new("configuration"), dir)
    }

    fn read(text: &str, path: &Path, dir: &Path) -> Result<Self, ConfigError> {
        let toml = |e: toml::de::Error| ConfigError::Toml {
            path: path.to_owned(),
            why: e.to_string(),
        };
        let mut config: Self = toml::from_str(text).map_err(toml)?;
        let value = |(key, why)| ConfigError::Value {
            path: path.to_owned(),
            key,
            why,
        };
        config.validate().map_err(value)?;
        config.network = dir.join(&config.network);
        config.credentials = dir.join(&config.credentials);
        for publisher in &mut config.publishers {
            publisher.credentials = dir.join(&publisher.credentials);
        }
        Ok(config)
    }

    /// The file as text, without comments; [`ClientConfig::load`] reads it.
    ///
    /// # Errors
    /// If a path is not UTF-8, which TOML cannot have.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let path = PathBuf::from("configuration");
        toml::to_string(self).map_err(|e| ConfigError::Toml {
            path,
            why: e.to_string(),
        })
    }

    /// The aggregator's key, if one is named.
    #[must_use]
    pub fn aggregator_key(&self) -> Option<PublicKey> {
        self.aggregator.as_ref().and_then(|key| key.parse().ok())
    }

    /// The first key with an invalid value, and the reason.
    fn validate(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, why: String| Err((key.to_owned(), why));
        if let Some(key) = &self.aggregator
            && let Err(e) = key.parse::<PublicKey>()
        {
            return refuse("aggregator", format!("is not a key: {e}"));
        }
        if let Some(url) = self
            .indexer
            .as_ref()
            .filter(|url| !url.starts_with("http://"))
        {
            return refuse("indexer", format!("is {url:?}, it must begin with http://"));
        }
        for (index, publisher) in self.publishers.iter().enumerate() {
            let names = self.publishers[..index].iter().map(|before| &before.name);
            if publisher.name.is_empty() {
                return refuse("publisher.name", "is empty".to_owned());
            }
            if names.into_iter().any(|name| *name == publisher.name) {
                return refuse(
                    "publisher.name",
                    format!("{:?} is listed twice", publisher.name),
                );
            }
        }
        let Timeouts {
            attempt_ms,
            read_ms,
            write_ms,
            silence_ms,
        } = self.timeouts;
        for (key, ms) in [("attempt_ms", attempt_ms), ("silence_ms", silence_ms)] {
            if ms == 0 {
                return refuse(&format!("timeouts.{key}"), "is 0".to_owned());
            }
        }
        for (key, ms) in [("read_ms", read_ms), ("write_ms", write_ms)] {
            if ms < attempt_ms {
                return refuse(
                    &format!("timeouts.{key}"),
                    format!("is {ms}, below attempt_ms, which is {attempt_ms}"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the error of a text; an empty `expected` means no error.
    fn check(more: &str, expected: &str) {
        let text = format!("network = \"n.toml\"\ncredentials = \"c\"\n{more}\n");
        let error = ClientConfig::parse(&text, Path::new("/d"))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            error.contains(expected) && error.is_empty() == expected.is_empty(),
            "{more}: {error}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        check("", "");
        check("indexer = \"http://127.0.0.1:1\"", "");
        check("nertwork = 1", "unknown field `nertwork`");
        check("aggregator = \"xyz\"", "`aggregator` is not a key");
        check("indexer = \"127.0.0.1\"", "must begin with http://");
        check("[timeouts]\nattempt_ms = 0", "`timeouts.attempt_ms` is 0");
        check("[timeouts]\nread_ms = 5", "below attempt_ms");
        check("[timeouts]\nread_s = 5", "unknown field `read_s`");
        check("[[publisher]]\nname = \"a\"", "missing field `credentials`");
        let twice = "[[publisher]]\nname = \"a\"\ncredentials = \"c\"\n";
        check(&twice.repeat(2), "\"a\" is listed twice");
    }

    #[test]
    fn an_error_of_syntax_says_where() {
        let error = ClientConfig::parse("network = \n", Path::new(""))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let text = "network = \"n.toml\"\ncredentials = \"c\"\n[[publisher]]\nname = \"a\"\ncredentials = \"p\"\n";
        let config = ClientConfig::parse(text, Path::new("/d")).unwrap();
        assert_eq!(config.publishers[0].credentials, Path::new("/d/p"));
        assert_eq!(
            ClientConfig::parse(&config.to_toml().unwrap(), Path::new("/e")),
            Ok(config)
        );
    }

    #[test]
    fn the_file_named_comes_first() {
        assert_eq!(
            locate(Some(Path::new("a.toml"))),
            Ok(PathBuf::from("a.toml"))
        );
    }

    #[test]
    fn the_sample_says_what_the_defaults_are() {
        let text = include_str!("../../deploy/client.toml");
        let config = ClientConfig::parse(text, Path::new("")).unwrap();
        assert_eq!(config.timeouts, Timeouts::default());
        // Keys with a default are comments in the sample; it must be valid with them too.
        let all: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let config = ClientConfig::parse(&all, Path::new("")).unwrap();
        assert!(config.aggregator_key().is_some() && config.indexer.is_some());
        assert_eq!(config.publishers.len(), 2);
    }
}
