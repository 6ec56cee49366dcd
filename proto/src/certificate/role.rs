//! Roles: the function of a certificate's holder, and its text form.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::{id::PublicKey, wire};

/// Prefix of the role in a certificate's URI.
pub(super) const ROLE_URI_PREFIX: &str = "urn:kittengrad:role:";
/// The word in place of a role in the root certificate.
pub(super) const ROOT: &str = "root";
/// The word in place of a role in a Level-0 certificate.
pub(super) const PRINCIPAL: &str = "principal";

/// The role in a certificate; `openssl x509 -text` shows it as `URI:urn:kittengrad:role:peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Keeps a part of the key space; Level-1. Its key is its journal's.
    Peer,
    /// Merges journals into one; Level-1. Its key is its journal's.
    Aggregator,
    /// Makes the stream searchable; Level-2, certified by a registrar.
    Indexer,
    /// Publishes and reads; Level-2, certified by a peer or a registrar. Its key is the publisher's.
    Client,
    /// Certifies clients and indexers for its principal and is not a process; Level-1.
    Registrar,
}

/// Why a text is not a role. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a role; use peer, aggregator, indexer, client or registrar")]
pub struct RoleError(String);

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Peer,
        Self::Aggregator,
        Self::Indexer,
        Self::Client,
        Self::Registrar,
    ];

    /// The word in certificates, options and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Aggregator => "aggregator",
            Self::Indexer => "indexer",
            Self::Client => "client",
            Self::Registrar => "registrar",
        }
    }

    /// The URI in the subject's alternative names.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{ROLE_URI_PREFIX}{self}")
    }

    /// Whether its holders keep a journal and have Level-1 certificates of their own to run with.
    #[must_use]
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Peer | Self::Aggregator)
    }

    /// Converts to the wire form.
    #[must_use]
    pub const fn to_wire(self) -> wire::Role {
        match self {
            Self::Peer => wire::Role::Peer,
            Self::Aggregator => wire::Role::Aggregator,
            Self::Indexer => wire::Role::Indexer,
            Self::Client => wire::Role::Client,
            Self::Registrar => wire::Role::Registrar,
        }
    }

    /// Reads the wire form; `None` if it is not a role.
    #[must_use]
    pub fn from_wire(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| i32::from(role.to_wire()) == number)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| RoleError(text.chars().take(80).collect()))
    }
}

/// The DNS name of a member's transport leaf, which callers require in TLS:
/// `<key in base32, lower case, 52 characters>.<role>.kittengrad`.
///
/// Base32, because 64 hexadecimal characters do not fit a DNS label of at most 63.
#[must_use]
pub fn transport_name(member: &PublicKey, role: Role) -> String {
    format!("{}.{role}.kittengrad", transport_label(member))
}

/// The first label of [`transport_name`]: the key itself.
#[must_use]
pub fn transport_label(member: &PublicKey) -> String {
    BASE32_NOPAD.encode(member.as_bytes()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written_and_sent() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(Role::from_wire(role.to_wire().into()), Some(role));
        }
        for text in ["", "Peer", "root", "principal", "peers"] {
            assert!(text.parse::<Role>().is_err(), "{text}");
        }
        for number in [i32::MIN, -1, 0, 6, i32::MAX] {
            assert_eq!(Role::from_wire(number), None);
        }
    }

    #[test]
    fn a_role_has_the_number_and_uri_that_it_always_had() {
        let found = Role::ALL.map(|role| (i32::from(role.to_wire()), role.uri()));
        let expected = [
            (1, "urn:kittengrad:role:peer"),
            (2, "urn:kittengrad:role:aggregator"),
            (3, "urn:kittengrad:role:indexer"),
            (4, "urn:kittengrad:role:client"),
            (5, "urn:kittengrad:role:registrar"),
        ];
        assert_eq!(
            found,
            expected.map(|(number, uri)| (number, uri.to_owned()))
        );
    }

    #[test]
    fn peers_and_aggregators_alone_are_members() {
        let members = Role::ALL.into_iter().filter(|role| role.is_member());
        assert!(members.eq([Role::Peer, Role::Aggregator]));
    }

    #[test]
    fn a_transport_name_is_a_dns_name_for_every_key() {
        let name = transport_name(&PublicKey::new([0xff; 32]), Role::Aggregator);
        assert_eq!(name, format!("{}q.aggregator.kittengrad", "7".repeat(51)));
    }
}
