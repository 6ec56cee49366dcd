//! What can be wrong with a network file, by file, line and key.

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

/// Where in which file something is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, if the text came from one.
    pub path: Option<PathBuf>,
    /// The line, from 1; 0 if it is about the whole.
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

/// Why one member of a network file is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberFault {
    /// The text is not base64url.
    #[error("it is not base64url: {0}")]
    Encoding(String),
    /// It is no identity of this network and namespace, or is not vouched for.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Clients and registrars are nobody that can be reached.
    #[error("it is a {0}; only peers, aggregators and indexers are listed")]
    Role(Role),
    /// The file has as many members as a ring may have.
    #[error("there are {RING_MEMBERS_MAX} members already, which is all there may be")]
    Full,
}

/// Why there is no network. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("{path}: {why}; `kittengrad network make` writes a network file", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Not TOML, or a key is missing, unknown or of another type.
    #[error("{place}: {why}")]
    Toml {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// A version of the format that this program does not know.
    #[error("{place}: `version` is {found}, known is {VERSION}")]
    Version {
        /// Where.
        place: Place,
        /// The version there.
        found: i64,
    },
    /// The namespace has no name that is allowed.
    #[error("{place}: `namespace`: {error}")]
    Namespace {
        /// Where.
        place: Place,
        /// What is wrong.
        error: NamespaceError,
    },
    /// The number of replicas is impossible.
    #[error("{place}: `replicas`: {error}")]
    Replicas {
        /// Where.
        place: Place,
        /// What is wrong.
        error: ReplicasError,
    },
    /// The root is no PEM of one certificate.
    #[error("{place}: `root`: {why}")]
    RootPem {
        /// Where.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// The root is no root certificate.
    #[error("{place}: `root`: {error}")]
    Root {
        /// Where.
        place: Place,
        /// What is wrong.
        error: CertificateError,
    },
    /// A member is refused.
    #[error("{place}: `identity` of member {number}: {fault}")]
    Member {
        /// Where.
        place: Place,
        /// Which member of the file, from 1.
        number: usize,
        /// What is wrong.
        fault: MemberFault,
    },
    /// More members than a ring may have.
    #[error("{place}: {count} members, at most {RING_MEMBERS_MAX} are allowed")]
    TooMany {
        /// Which file.
        place: Place,
        /// How many there are.
        count: usize,
    },
    /// The peers make no ring.
    #[error("{place}: {error}; `kittengrad network add` adds a peer")]
    Ring {
        /// Which file.
        place: Place,
        /// What is wrong.
        error: RingError,
    },
}
