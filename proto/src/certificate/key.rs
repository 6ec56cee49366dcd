//! Keys in certificates: Ed25519 for identities, P-256 for transport leaves (rfd 1).

use super::der::{BIT_STRING, OBJECT_IDENTIFIER, Reader, SEQUENCE};
use crate::id::PublicKey;

/// `SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING }` (RFC 8410), before the 32 bytes of a key.
#[rustfmt::skip]
const ED25519_PREFIX: &[u8] = &[
    SEQUENCE, 0x2a, SEQUENCE, 5, OBJECT_IDENTIFIER, 3, 0x2b, 0x65, 0x70, BIT_STRING, 0x21, 0,
];
/// `SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING }` (RFC 5480), and the 4 of an uncompressed point.
#[rustfmt::skip]
const P256_PREFIX: &[u8] = &[
    SEQUENCE, 0x59, SEQUENCE, 0x13,
    OBJECT_IDENTIFIER, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1,
    OBJECT_IDENTIFIER, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
    BIT_STRING, 0x42, 0, 4,
];
/// Bytes of the two coordinates of a point.
const COORDINATES_BYTES: usize = 64;

/// A certified key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Ed25519(PublicKey),
    /// An uncompressed point. Its bytes are not kept, because only handshakes need them.
    P256,
}

impl Key {
    /// Reads a `SubjectPublicKeyInfo`.
    ///
    /// A point need not be on the curve. The TLS library checks that in a handshake, where alone a P-256 key verifies
    /// a signature. A check here would add an implementation of the curve to the verdict that replicas share.
    pub(super) fn read(fields: &mut Reader<'_>) -> Option<Self> {
        if fields.literal(ED25519_PREFIX).is_some() {
            return fields.array().map(PublicKey::new).map(Self::Ed25519);
        }
        fields.literal(P256_PREFIX)?;
        fields.array::<COORDINATES_BYTES>().map(|_| Self::P256)
    }
}

/// The use of a certified key: it names its holder, or it signs handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose<'a> {
    /// Names its holder, and signs certificates, journals, transactions or a client's handshakes.
    Identity(PublicKey),
    /// Signs the handshakes of the member with this DNS name, and names nobody.
    Transport { dns_name: &'a str },
}

impl<'a> Purpose<'a> {
    /// A certificate has a P-256 key exactly if it has a DNS name.
    pub(super) const fn of(key: Key, dns_name: Option<&'a str>) -> Result<Self, &'static str> {
        match (key, dns_name) {
            (Key::Ed25519(key), None) => Ok(Self::Identity(key)),
            (Key::P256, Some(dns_name)) => Ok(Self::Transport { dns_name }),
            (Key::P256, None) => Err("its key is P-256, which only transport leaves have"),
            (Key::Ed25519(_), Some(_)) => {
                Err("its key is Ed25519; a transport leaf must have a P-256 key")
            }
        }
    }
}
