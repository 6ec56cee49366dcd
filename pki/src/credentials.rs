//! The credentials of one process: its key, its certificate chain, and the root that it trusts.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{
        CertificateError, Chain, Holder, Role, Root,
        pem::{self, PemError},
    },
    id::{Id, PublicKey},
    signed::{Ed25519, Signer, SigningKey},
};
use thiserror::Error;
use time::OffsetDateTime;

use crate::{
    files::{self, FileError},
    issue::millis,
    key_file::{KeyFile, KeyFileError},
};

/// Time before the end of a certificate at which a warning begins: 30 days.
const EXPIRY_WARNING: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// The files of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The private key.
    pub key: PathBuf,
    /// The chain, leaf first, Level-0 last.
    pub chain: PathBuf,
    /// The root certificate.
    pub root: PathBuf,
}

impl Paths {
    /// The file names that `ca admit` uses.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            key: dir.join("key.pem"),
            chain: dir.join("chain.pem"),
            root: dir.join("root.pem"),
        }
    }
}

/// Why credentials cannot be used. Nothing changed.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// A file does not exist.
    #[error("{path} does not exist; `kittengrad ca admit --role {role}` writes it")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The role that the process needs.
        role: Role,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key file has no usable key.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The error.
        error: KeyFileError,
    },
    /// A certificate file has no certificates.
    #[error("{path}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// The error.
        error: PemError,
    },
    /// The certificates are invalid, or of another role.
    #[error("{path}: {error}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The error.
        error: CertificateError,
    },
    /// A file for one certificate has more.
    #[error("{path} has {count} certificates; it must have one")]
    Several {
        /// The file.
        path: PathBuf,
        /// The number of its certificates.
        count: usize,
    },
    /// A chain begins with a transport leaf, which processes make for themselves.
    #[error(
        "{path} begins with a transport leaf; it must begin with the {role}'s Level-1 certificate"
    )]
    TransportLeaf {
        /// The file.
        path: PathBuf,
        /// The role of its holder.
        role: Role,
    },
    /// The key does not belong to the chain.
    #[error("{key_path} has key {key}; the certificates in {chain_path} are for {certified}")]
    OtherKey {
        /// The key file.
        key_path: PathBuf,
        /// Its public key.
        key: PublicKey,
        /// The chain file.
        chain_path: PathBuf,
        /// The key certified by the chain.
        certified: PublicKey,
    },
    /// They are below another root than the network file.
    #[error(
        "the credentials{} belong to network {found}, and the network file to {expected}; take both from one place",
        place(dir.as_deref())
    )]
    OtherNetwork {
        /// The folder, if they were in files.
        dir: Option<PathBuf>,
        /// Their network.
        found: Id,
        /// The network of the file.
        expected: Id,
    },
    /// The certificates have expired.
    #[error(
        "certificates of {name:?} in {path} expired {until}; \
         `kittengrad ca admit --role {role}` with the same key renews them"
    )]
    Expired {
        /// Subject.
        name: String,
        /// The file.
        path: PathBuf,
        /// The time of expiry, as text.
        until: String,
        /// The role.
        role: Role,
    },
    /// The certificates are not valid yet.
    #[error(
        "certificates of {name:?} in {path} are valid from {from}; now it is {now}; check the clock"
    )]
    NotYetValid {
        /// Subject.
        name: String,
        /// The file.
        path: PathBuf,
        /// The beginning of their validity, as text.
        from: String,
        /// The time now, as text.
        now: String,
    },
}

/// A warning for the operator. The credentials can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Warning {
    /// Other users may read the key.
    #[error("{path} can be read by others (mode {mode:03o}); run `chmod 600 {path}`")]
    OpenKey {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The certificates expire soon.
    #[error("certificates in {path} expire {until}; renew them with `kittengrad ca admit`")]
    EndsSoon {
        /// The chain file.
        path: PathBuf,
        /// The time of expiry, as text.
        until: String,
    },
}

/// A key, its chain and the root, checked against each other.
#[derive(Debug, Clone)]
pub struct Credentials {
    key: SigningKey,
    chain: Chain,
    holder: Holder,
    root: Root,
}

/// Credentials and warnings about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The credentials.
    pub credentials: Credentials,
    /// The warnings.
    pub warnings: Vec<Warning>,
}

impl Credentials {
    /// Reads and checks the files of a process that runs as `role`.
    ///
    /// # Errors
    /// If a file is missing or damaged, the key does not belong to the chain, the chain is of another role or network,
    /// or not valid at `now_ms`.
    pub fn load(paths: &Paths, role: Role, now_ms: u64) -> Result<Loaded, CredentialsError> {
        let missing = |error| match error {
            CredentialsError::File(FileError::Missing { path }) => {
                CredentialsError::Missing { path, role }
            }
            other => other,
        };
        let root = read_root(&paths.root).map_err(missing)?;
        let chain = read_chain(&paths.chain).map_err(missing)?;
        let key = read_key(&paths.key).map_err(missing)?;
        let credentials = Self::assemble(key, chain, root, paths)?;
        let certificate = |error| CredentialsError::Certificate {
            path: paths.chain.clone(),
            error,
        };
        credentials
            .holder
            .check_role(&[role])
            .map_err(certificate)?;
        credentials.check_at(&paths.chain, now_ms)?;
        let warnings = credentials.warnings(paths, now_ms);
        Ok(Loaded {
            credentials,
            warnings,
        })
    }

    /// Makes credentials without files, for tests and for processes that make their own.
    ///
    /// # Errors
    /// If key, chain and root do not belong together.
    pub fn new(key: SigningKey, chain: Chain, root: Root) -> Result<Self, CredentialsError> {
        Self::assemble(key, chain, root, &Paths::in_dir(Path::new("")))
    }

    fn assemble(
        key: SigningKey,
        chain: Chain,
        root: Root,
        paths: &Paths,
    ) -> Result<Self, CredentialsError> {
        let certificate = |error| CredentialsError::Certificate {
            path: paths.chain.clone(),
            error,
        };
        let holder = chain.verify(&root, &Ed25519).map_err(certificate)?;
        if holder.role.is_member() && chain.certificates().len() != 2 {
            let (path, role) = (paths.chain.clone(), holder.role);
            return Err(CredentialsError::TransportLeaf { path, role });
        }
        if key.public() != holder.key {
            return Err(CredentialsError::OtherKey {
                key_path: paths.key.clone(),
                key: key.public(),
                chain_path: paths.chain.clone(),
                certified: holder.key,
            });
        }
        Ok(Self {
            key,
            chain,
            holder,
            root,
        })
    }

    /// Checks that they are of `network`. The error names `dir`, the folder that they were read from.
    ///
    /// # Errors
    /// [`CredentialsError::OtherNetwork`] if they are below another root.
    pub fn check_network(&self, network: Id, dir: Option<&Path>) -> Result<(), CredentialsError> {
        let found = self.root.network();
        if found != network {
            return Err(CredentialsError::OtherNetwork {
                dir: dir.map(Path::to_owned),
                found,
                expected: network,
            });
        }
        Ok(())
    }

    /// The key that signs: a journal's for peers and aggregators, the publisher's for clients.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The chain of the key; for peers and aggregators the Level-1 chain.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The holder of the chain.
    #[must_use]
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The root of the network.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    fn check_at(&self, path: &Path, now_ms: u64) -> Result<(), CredentialsError> {
        let path = path.to_owned();
        self.holder.check_at(now_ms).map_err(|error| match error {
            CertificateError::Expired { name, until_ms, .. } => CredentialsError::Expired {
                name,
                path,
                until: date(until_ms),
                role: self.holder.role,
            },
            CertificateError::NotYetValid { name, from_ms, .. } => CredentialsError::NotYetValid {
                name,
                path,
                from: date(from_ms),
                now: date(now_ms),
            },
            error => CredentialsError::Certificate { path, error },
        })
    }

    fn warnings(&self, paths: &Paths, now_ms: u64) -> Vec<Warning> {
        let open = files::open_permissions(&paths.key).map(|mode| Warning::OpenKey {
            path: paths.key.clone(),
            mode,
        });
        let left_ms = self.holder.not_after_ms.saturating_sub(now_ms);
        let soon = (left_ms < millis(EXPIRY_WARNING)).then(|| Warning::EndsSoon {
            path: paths.chain.clone(),
            until: date(self.holder.not_after_ms),
        });
        open.into_iter().chain(soon).collect()
    }
}

fn place(dir: Option<&Path>) -> String {
    dir.map(|dir| format!(" in {}", dir.display()))
        .unwrap_or_default()
}

/// Reads a private key.
///
/// # Errors
/// If the file is missing, or has no Ed25519 key, or an encrypted one.
pub fn read_key(path: &Path) -> Result<SigningKey, CredentialsError> {
    let text = zeroize::Zeroizing::new(files::read(path)?);
    let key = KeyFile::read(&text).and_then(KeyFile::unlock);
    key.map_err(|error| CredentialsError::Key {
        path: path.to_owned(),
        error,
    })
}

/// Reads a root certificate.
///
/// # Errors
/// If the file is missing, or is not exactly one root certificate.
pub fn read_root(path: &Path) -> Result<Root, CredentialsError> {
    Root::from_der(read_certificate(path)?).map_err(|error| CredentialsError::Certificate {
        path: path.to_owned(),
        error,
    })
}

/// Reads a chain without verifying it.
///
/// # Errors
/// If the file is missing, or has no certificates or too many.
pub fn read_chain(path: &Path) -> Result<Chain, CredentialsError> {
    Chain::from_der(read_certificates(path)?).map_err(|error| CredentialsError::Certificate {
        path: path.to_owned(),
        error,
    })
}

/// Reads the only certificate of a file.
pub(crate) fn read_certificate(path: &Path) -> Result<Bytes, CredentialsError> {
    let mut ders = read_certificates(path)?;
    match (ders.pop(), ders.len()) {
        (Some(der), 0) => Ok(der),
        (_, others) => Err(CredentialsError::Several {
            path: path.to_owned(),
            count: others + 1,
        }),
    }
}

fn read_certificates(path: &Path) -> Result<Vec<Bytes>, CredentialsError> {
    pem::read_certificates(&files::read(path)?).map_err(|error| CredentialsError::Pem {
        path: path.to_owned(),
        error,
    })
}

/// A time as text: `2026-11-20 10:52 UTC`.
fn date(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1_000).ok();
    let Some(time) = seconds.and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok()) else {
        return format!("{ms} ms");
    };
    let (year, month, day) = time.to_calendar_date();
    let month = u8::from(month);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        time.hour(),
        time.minute()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_for_people() {
        assert_eq!(date(1_767_225_659_999), "2026-01-01 00:00 UTC");
        assert_eq!(date(u64::MAX), "18446744073709551615 ms");
    }
}
