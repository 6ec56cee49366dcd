//! Why certificates are refused.

use std::fmt;

use thiserror::Error;

use super::role::Role;
use crate::id::PublicKey;

/// Where in the tower a certificate stands.
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
    /// A chain without its root is a Level-1 and a Level-0, perhaps with one leaf before them.
    #[error("chain has {0} certificates, not 2 or 3")]
    Count(usize),
    /// A version of the chain's format that this program does not know.
    #[error("chain has version {0}, known is 1")]
    Version(u32),
    /// More bytes than a certificate may have.
    #[error("certificate has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes there are.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not a certificate as the profile of its level wants it.
    #[error("{level} certificate is outside the profile: {what}")]
    Profile {
        /// Which of the certificates.
        level: Level,
        /// What is missing, unexpected or not strict DER.
        what: &'static str,
    },
    /// Issuer name or key identifier are not those of the certificate above.
    #[error("{level} certificate names another issuer than {issuer}")]
    Unlinked {
        /// Which of the certificates.
        level: Level,
        /// The key above it.
        issuer: PublicKey,
    },
    /// The signature is not by the certificate above, which for a Level-0 is the network's root.
    #[error("{level} certificate is not signed by {issuer}")]
    Forged {
        /// Which of the certificates.
        level: Level,
        /// The key above it.
        issuer: PublicKey,
    },
    /// One key stands twice in a chain.
    #[error("key {0} stands twice in the chain")]
    SameKey(PublicKey),
    /// A Level-1 vouches for a leaf that it may not vouch for.
    #[error("a certificate for {leaf:?} cannot be issued by a {issuer}")]
    NotIssuable {
        /// Role of the Level-1.
        issuer: Role,
        /// Role of the leaf, as it is written there.
        leaf: String,
    },
    /// The chain admits its holder as something else than is wanted here.
    #[error("{name:?} is admitted as {role}, wanted is {wanted}")]
    WrongRole {
        /// Subject of the certificate.
        name: String,
        /// The role it has.
        role: Role,
        /// The roles wanted.
        wanted: String,
    },
    /// Not in force yet.
    #[error("certificates of {name:?} are in force from {from_ms} ms, it is {now_ms} ms")]
    NotYetValid {
        /// Subject of the certificate.
        name: String,
        /// Unix time from which all of the chain is in force.
        from_ms: u64,
        /// Unix time asked about.
        now_ms: u64,
    },
    /// No longer in force.
    #[error("certificates of {name:?} were in force until {until_ms} ms, it is {now_ms} ms")]
    Expired {
        /// Subject of the certificate.
        name: String,
        /// Unix time until which all of the chain was in force.
        until_ms: u64,
        /// Unix time asked about.
        now_ms: u64,
    },
}
