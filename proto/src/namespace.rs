//! The network and the namespace of an object, which every signed body names.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{id::Id, limits::NAMESPACE_BYTES_MAX};

/// Why a text is not a namespace. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "namespace {0:?} is not 1 to {NAMESPACE_BYTES_MAX} lower-case letters, digits and inner hyphens"
)]
pub struct NamespaceError(String);

/// The name of a key space with its own ring; a DNS label, so that it is safe in paths and subjects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let alphabet = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_label = (1..=NAMESPACE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(alphabet)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if is_label {
            Ok(Self(text.to_owned()))
        } else {
            Err(NamespaceError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace of a network. Every signed body names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// SHA-256 of the network's root certificate (DER).
    pub network: Id,
    /// The key space.
    pub namespace: Namespace,
}

/// An object belongs to another network or namespace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("it belongs to {found}, not {expected}")]
pub struct ForeignError {
    found: String,
    expected: String,
}

impl Overlay {
    /// Checks that a body names this overlay.
    ///
    /// # Errors
    /// [`ForeignError`] if network or namespace differ.
    pub fn check(&self, network: &[u8], namespace: &str) -> Result<(), ForeignError> {
        if network == self.network.as_bytes() && namespace == self.namespace.as_str() {
            return Ok(());
        }
        let short: String = namespace.chars().take(NAMESPACE_BYTES_MAX).collect();
        let network =
            Id::from_slice(network).map_or_else(|e| e.to_string(), |id| format!("{id:?}"));
        Err(ForeignError {
            found: format!("{short:?} of network {network}"),
            expected: self.to_string(),
        })
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of network {:?}",
            self.namespace.as_str(),
            self.network
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_dns_label() {
        for good in ["a", "demo", "works-2", &"a".repeat(63)] {
            assert!(good.parse::<Namespace>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a.b",
            "../x",
            "a\0",
            &"a".repeat(64),
            "é",
        ] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_object_belongs_to_both_its_network_and_its_namespace() {
        let overlay = Overlay {
            network: Id::new([1; 32]),
            namespace: "demo".parse().unwrap(),
        };
        assert_eq!(overlay.check(&[1; 32], "demo"), Ok(()));
        for (network, namespace) in [
            (&[2; 32][..], "demo"),
            (&[1; 32], "other"),
            (&[1; 31], "demo"),
            (&[], "demo"),
            (&[1; 32], ""),
            (&[1; 32], "demo-2"),
        ] {
            let refused = overlay.check(network, namespace).unwrap_err();
            assert_eq!(refused.expected, overlay.to_string());
            assert!(refused.found.contains(&format!("{namespace:?}")));
        }
    }
}
