//! Errors of a network file, with file, line and key.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use kittengrad_proto::{
    certificate::{CertificateError, Role},
    identity::IdentityError,
    limits::RING_MEMBERS_MAX,
    namespace::NamespaceError,
};
use kittengrad_ring::{ReplicasError, RingError};
use thiserror::Error;

use super::VERSION;

/// The place of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, if the text came from one.
    pub path: Option<PathBuf>,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .path
            .as_deref()
            .unwrap_or_else(|| Path::new("network file"));
        match self.line {
            0 => write!(f, "{}", name.display()),
            line => write!(f, "{}, line {line}", name.display()),
        }
    }
}

/// Why a member of a network file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberFault {
    /// The text is not base64url.
    #[error("it is not base64url: {0}")]
    Encoding(String),
    /// It is not an identity of this network and namespace, or its certificates do not verify.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Clients and registrars have no address, and are not listed.
    #[error("it is a {0}; only peers, aggregators and indexers are listed")]
    Role(Role),
    /// The file has as many members as a ring may have.
    #[error("the network has {RING_MEMBERS_MAX} members, which is the limit")]
    Full,
}

/// Why a network file cannot be used. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("{path}: {why}; `kittengrad network make` writes a network file", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        why: String,
    },
    /// Not TOML, or a key is missing, unknown or of another type.
    #[error("{place}: {why}")]
    Toml {
        /// The place.
        place: Place,
        /// The error.
        why: String,
    },
    /// A version of the format that this program does not know.
    #[error("{place}: `version` is {found}; this program knows {VERSION}")]
    Version {
        /// The place.
        place: Place,
        /// The version in the file.
        found: i64,
    },
    /// The name of the namespace is not allowed.
    #[error("{place}: `namespace`: {error}")]
    Namespace {
        /// The place.
        place: Place,
        /// The error.
        error: NamespaceError,
    },
    /// The number of replicas is not allowed.
    #[error("{place}: `replicas`: {error}")]
    Replicas {
        /// The place.
        place: Place,
        /// The error.
        error: ReplicasError,
    },
    /// The root is not PEM of one certificate.
    #[error("{place}: `root`: {why}")]
    RootPem {
        /// The place.
        place: Place,
        /// The error.
        why: String,
    },
    /// The root is not a root certificate.
    #[error("{place}: `root`: {error}")]
    Root {
        /// The place.
        place: Place,
        /// The error.
        error: CertificateError,
    },
    /// A member is refused.
    #[error("{place}: `identity` of member {number}: {fault}")]
    Member {
        /// The place.
        place: Place,
        /// The number of the member in the file, from 1.
        number: usize,
        /// The error.
        fault: MemberFault,
    },
    /// More members than a ring may have.
    #[error("{place}: {count} members, at most {RING_MEMBERS_MAX} are allowed")]
    TooMany {
        /// The file.
        place: Place,
        /// The number of members.
        count: usize,
    },
    /// The peers do not form a ring.
    #[error("{place}: {error}; `kittengrad network add` adds a peer")]
    Ring {
        /// The file.
        place: Place,
        /// The error.
        error: RingError,
    },
}
