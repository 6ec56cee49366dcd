//! Why certificates are refused.

use std::fmt;

use thiserror::Error;

use super::role::Role;
use crate::id::PublicKey;

/// The level of a certificate in the tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The network's root, which signs itself.
    Root,
    /// A principal, signed by the root.
    Zero,
    /// A peer, an aggregator or a registrar, signed by a principal.
    One,
    /// A client, an indexer, or the transport leaf of a peer or aggregator; signed by a Level-1.
    Leaf,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Zero => "Level-0",
            Self::One => "Level-1",
            Self::Leaf => "leaf",
        })
    }
}

/// Why certificates are refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The number of certificates is wrong. A chain without its root is a Level-1 and a Level-0, and possibly a leaf
    /// before them.
    #[error("chain has {0} certificates, not 2 or 3")]
    Count(usize),
    /// A version of the chain's format that this program does not know.
    #[error("chain has version {0}; this program knows 1")]
    Version(u32),
    /// A certificate is too large.
    #[error("certificate has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The bytes allowed.
        max: usize,
    },
    /// A certificate is outside the profile of its level.
    #[error("{level} certificate is outside the profile: {what}")]
    Profile {
        /// Its level.
        level: Level,
        /// The part that is missing, unexpected or not strict DER.
        what: &'static str,
    },
    /// Issuer name or key identifier are not those of the certificate above.
    #[error("{level} certificate names another issuer than {issuer}")]
    Unlinked {
        /// Its level.
        level: Level,
        /// The key above it.
        issuer: PublicKey,
    },
    /// The signature is not by the certificate above, which for a Level-0 is the network's root.
    #[error("{level} certificate is not signed by {issuer}")]
    Forged {
        /// Its level.
        level: Level,
        /// The key above it.
        issuer: PublicKey,
    },
    /// A key occurs twice in a chain.
    #[error("key {0} occurs twice in the chain")]
    SameKey(PublicKey),
    /// A Level-1 of this role may not issue the leaf.
    #[error("a certificate for {leaf:?} cannot be issued by a {issuer}")]
    NotIssuable {
        /// Role of the Level-1.
        issuer: Role,
        /// Role of the leaf, as written in it.
        leaf: String,
    },
    /// The holder has another role than required.
    #[error("{name:?} is certified as {role}, not as {wanted}")]
    WrongRole {
        /// Subject of the certificate.
        name: String,
        /// Its role.
        role: Role,
        /// The roles required.
        wanted: String,
    },
    /// The chain is not valid yet.
    #[error("certificates of {name:?} are valid from {from_ms} ms; now it is {now_ms} ms")]
    NotYetValid {
        /// Subject of the certificate.
        name: String,
        /// Unix time from which all of the chain is valid.
        from_ms: u64,
        /// Unix time of the check.
        now_ms: u64,
    },
    /// The chain has expired.
    #[error("certificates of {name:?} were valid until {until_ms} ms; now it is {now_ms} ms")]
    Expired {
        /// Subject of the certificate.
        name: String,
        /// Unix time until which all of the chain was valid.
        until_ms: u64,
        /// Unix time of the check.
        now_ms: u64,
    },
}
