//! The uses of a certificate: the extensions of each level, byte for byte.

use super::{
    der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, SEQUENCE},
    error::Level,
};

/// The extensions that limit the uses of a certificate, as DER; empty if one is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    pub(super) basic_constraints: &'a [u8],
    pub(super) key_usage: &'a [u8],
    pub(super) extended_key_usage: Option<&'a [u8]>,
}

impl Shape<'_> {
    /// Compares the extensions with those of `level`.
    pub(super) fn check(&self, level: Level, has_dns_name: bool) -> Result<(), &'static str> {
        if level != Level::Leaf && has_dns_name {
            return Err("it has a DNS name, which only transport leaves have");
        }
        let wanted = Shape::of(level, has_dns_name);
        if self.basic_constraints != wanted.basic_constraints {
            return Err("its basic constraints are not those of its level");
        }
        if self.key_usage != wanted.key_usage {
            return Err("its key usage is not that of its level");
        }
        if self.extended_key_usage != wanted.extended_key_usage {
            return Err("its extended key usage is not that of its level");
        }
        Ok(())
    }
}

impl Shape<'static> {
    const fn of(level: Level, has_dns_name: bool) -> Self {
        let (basic_constraints, key_usage, extended_key_usage) = match level {
            Level::Root => (PATH_2, SIGNS_CERTIFICATES, None),
            Level::Zero => (PATH_1, SIGNS_CERTIFICATES, None),
            Level::One => (PATH_0, SIGNS_ALL, None),
            Level::Leaf if has_dns_name => (NO_AUTHORITY, SIGNS, Some(SERVER_AND_CLIENT)),
            Level::Leaf => (NO_AUTHORITY, SIGNS, Some(CLIENT)),
        };
        Self {
            basic_constraints,
            key_usage,
            extended_key_usage,
        }
    }
}

/// A CA above two more.
const PATH_2: &[u8] = &[SEQUENCE, 6, 1, 1, 0xff, INTEGER, 1, 2];
/// A CA above one more.
const PATH_1: &[u8] = &[SEQUENCE, 6, 1, 1, 0xff, INTEGER, 1, 1];
/// A CA above leaves.
const PATH_0: &[u8] = &[SEQUENCE, 6, 1, 1, 0xff, INTEGER, 1, 0];
/// Not a CA.
const NO_AUTHORITY: &[u8] = &[SEQUENCE, 0];
/// keyCertSign, cRLSign.
const SIGNS_CERTIFICATES: &[u8] = &[BIT_STRING, 2, 1, 0b0000_0110];
/// digitalSignature, keyCertSign, cRLSign: a Level-1 key signs its journal too.
const SIGNS_ALL: &[u8] = &[BIT_STRING, 2, 1, 0b1000_0110];
/// digitalSignature.
const SIGNS: &[u8] = &[BIT_STRING, 2, 7, 0b1000_0000];
/// id-kp-clientAuth.
const CLIENT: &[u8] = &[
    SEQUENCE,
    10,
    OBJECT_IDENTIFIER,
    8,
    0x2b,
    6,
    1,
    5,
    5,
    7,
    3,
    2,
];
/// id-kp-serverAuth, id-kp-clientAuth.
#[rustfmt::skip]
const SERVER_AND_CLIENT: &[u8] = &[
    SEQUENCE, 20,
    OBJECT_IDENTIFIER, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1,
    OBJECT_IDENTIFIER, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2,
];
