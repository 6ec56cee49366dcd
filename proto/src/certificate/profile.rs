//! One certificate, read against the exact shape that its level of the tower has.
//!
//! ```text
//!                     root          Level-0         Level-1                leaf
//! basic constraints   CA, path 2    CA, path 1      CA, path 0             no CA
//! key usage           sign certificates and CRLs    the same + signatures  signatures
//! extended usage      none          none            none                   client, or server and client
//! role URI            root          principal       peer, aggregator,      peer or aggregator with a DNS name,
//!                                                   registrar              client, indexer
//! key                 Ed25519       Ed25519         Ed25519                P-256 with a DNS name, else Ed25519
//! ```
//!
//! All: version 3, serial of 1 to 20 bytes above 0, signed with Ed25519 without parameters, a subject that is
//! one common name, subject and authority key identifiers of 20 bytes, basic constraints and key usage
//! critical and the other extensions not. Further extensions are let through if they are not critical.

use super::{
    der::{
        BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, SET, UTF8_STRING,
        time_ms,
    },
    error::{CertificateError, Level},
    key::{Key, Purpose},
    role::ROLE_URI_PREFIX,
    shape::Shape,
};
use crate::{
    id::PublicKey,
    signed::{SIGNATURE_BYTES, Verifier},
};

/// Bytes of a key identifier.
const KEY_ID_BYTES: usize = 20;
/// Bytes of a common name (RFC 5280, `ub-common-name`).
pub(super) const NAME_BYTES_MAX: usize = 64;

/// `[0] { INTEGER 2 }`: X.509 version 3.
const VERSION_3: &[u8] = &[0xa0, 3, INTEGER, 1, 2];
/// `SEQUENCE { id-Ed25519 }` (RFC 8410).
const ALGORITHM: &[u8] = &[SEQUENCE, 5, OBJECT_IDENTIFIER, 3, 0x2b, 0x65, 0x70];
/// `id-at-commonName`.
const COMMON_NAME: &[u8] = &[OBJECT_IDENTIFIER, 3, 0x55, 4, 3];
/// Tag of the list of extensions.
const EXTENSIONS: u8 = 0xa3;
/// `BOOLEAN TRUE`: the extension is critical.
const CRITICAL: &[u8] = &[1, 1, 0xff];
/// Tag of a DNS name among the alternative names.
const DNS_NAME: u8 = 0x82;
/// Tag of a URI among the alternative names.
const URI: u8 = 0x86;

/// A certificate with the right shape for its level. Signature and links are not checked yet.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    level: Level,
    /// The signed part.
    signed: &'a [u8],
    signature: [u8; SIGNATURE_BYTES],
    /// The issuer's name, as DER.
    issuer: &'a [u8],
    authority_key_id: &'a [u8; KEY_ID_BYTES],
    pub(super) not_before_ms: u64,
    pub(super) not_after_ms: u64,
    subject: Subject<'a>,
    pub(super) purpose: Purpose<'a>,
    /// The common name.
    pub(super) name: &'a str,
    /// The text after `urn:kittengrad:role:`.
    pub(super) role: &'a str,
}

/// The fields that the certificates below must repeat.
#[derive(Debug, Clone, Copy)]
struct Subject<'a> {
    /// The name, as DER.
    name: &'a [u8],
    key_id: &'a [u8; KEY_ID_BYTES],
}

impl<'a> Certificate<'a> {
    /// Reads the certificate of `level`.
    pub(super) fn read(level: Level, der: &'a [u8]) -> Result<Self, CertificateError> {
        Self::parse(level, der).map_err(|what| CertificateError::Profile { level, what })
    }

    fn parse(level: Level, der: &'a [u8]) -> Result<Self, &'static str> {
        let (signed, signature) =
            envelope(der).ok_or("it is not one Ed25519-signed DER certificate")?;
        let outer = Reader::new(signed)
            .content(SEQUENCE)
            .ok_or("it has no content")?;
        let mut fields = Reader::new(outer);
        fields.literal(VERSION_3).ok_or("its version is not 3")?;
        serial(&mut fields).ok_or("its serial number is not 1 to 20 bytes above 0")?;
        fields
            .literal(ALGORITHM)
            .ok_or("its inner signature algorithm is not Ed25519")?;
        let (issuer, _) = name(&mut fields).ok_or("its issuer is not one common name")?;
        let (not_before_ms, not_after_ms) =
            validity(&mut fields).ok_or("its validity is not two strict times in order")?;
        let (subject, common_name) =
            name(&mut fields).ok_or("its subject is not one common name")?;
        let key = Key::read(&mut fields)
            .ok_or("its key is neither Ed25519 nor an uncompressed P-256 point")?;
        let mut list = fields
            .nested(EXTENSIONS)
            .and_then(|mut tagged| tagged.nested(SEQUENCE).and_then(|list| tagged.end(list)))
            .ok_or("it has no list of extensions")?;
        fields.end(()).ok_or("something follows its extensions")?;
        let extensions = Extensions::read(&mut list)?;

        let names = extensions.names.and_then(alternative_names);
        let (dns_name, role) = names.ok_or("its alternative names are not one role")?;
        let shape = Shape {
            basic_constraints: extensions.basic_constraints.unwrap_or_default(),
            key_usage: extensions.key_usage.unwrap_or_default(),
            extended_key_usage: extensions.extended_key_usage,
        };
        shape.check(level, dns_name.is_some())?;
        Ok(Self {
            level,
            signed,
            signature,
            issuer,
            authority_key_id: authority_key_id(extensions.authority_key_id)
                .ok_or("its authority key identifier is missing or not 20 bytes")?,
            not_before_ms,
            not_after_ms,
            subject: Subject {
                name: subject,
                key_id: subject_key_id(extensions.subject_key_id)
                    .ok_or("its subject key identifier is missing or not 20 bytes")?,
            },
            purpose: Purpose::of(key, dns_name)?,
            name: common_name,
            role,
        })
    }

    /// The key that names the holder and signs.
    ///
    /// # Errors
    /// If this is a transport leaf.
    pub(super) fn key(&self) -> Result<PublicKey, CertificateError> {
        match self.purpose {
            Purpose::Identity(key) => Ok(key),
            Purpose::Transport { .. } => {
                let what = "it is a transport leaf, whose P-256 key names nobody";
                let level = self.level;
                Err(CertificateError::Profile { level, what })
            }
        }
    }

    /// Checks names, key identifiers and the signature against the certificate above.
    ///
    /// A subject that equals the issuer is refused below the root: RFC 5280 does not count such a certificate in path
    /// lengths, and OpenSSL takes it for a root.
    pub(super) fn check_issuer(
        &self,
        issuer: &Self,
        verifier: &dyn Verifier,
    ) -> Result<(), CertificateError> {
        let level = self.level;
        let (above, issuer) = (issuer.subject, issuer.key()?);
        if self.issuer != above.name || self.authority_key_id != above.key_id {
            return Err(CertificateError::Unlinked { level, issuer });
        }
        if level != Level::Root && self.subject.name == above.name {
            let what = "its subject has the same name as its issuer";
            return Err(CertificateError::Profile { level, what });
        }
        if verifier.verify(&issuer, self.signed, &self.signature) {
            Ok(())
        } else {
            Err(CertificateError::Forged { level, issuer })
        }
    }
}

/// The two parts of a certificate: the signed part and the signature.
fn envelope(der: &[u8]) -> Option<(&[u8], [u8; SIGNATURE_BYTES])> {
    let mut file = Reader::new(der);
    let mut outer = file.nested(SEQUENCE)?;
    file.end(())?;
    let (signed, _) = outer.element(SEQUENCE)?;
    outer.literal(ALGORITHM)?;
    let mut bits = outer.nested(BIT_STRING)?;
    outer.end(())?;
    bits.literal(&[0])?;
    let signature = bits.array()?;
    bits.end((signed, signature))
}

fn serial(fields: &mut Reader<'_>) -> Option<()> {
    match fields.content(INTEGER)? {
        [] | [0] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        serial => (serial.len() <= 20).then_some(()),
    }
}

/// A name as DER, and its only common name as text.
fn name<'a>(fields: &mut Reader<'a>) -> Option<(&'a [u8], &'a str)> {
    let (whole, content) = fields.element(SEQUENCE)?;
    let mut list = Reader::new(content);
    let mut set = list.nested(SET)?;
    list.end(())?;
    let mut attribute = set.nested(SEQUENCE)?;
    set.end(())?;
    attribute.literal(COMMON_NAME)?;
    let text = str::from_utf8(attribute.content(UTF8_STRING)?).ok()?;
    attribute.end(())?;
    is_name(text).then_some((whole, text))
}

/// Whether this can be the name in a certificate: 1 to 64 bytes without control characters.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn validity(fields: &mut Reader<'_>) -> Option<(u64, u64)> {
    let mut times = fields.nested(SEQUENCE)?;
    let (not_before_ms, not_after_ms) = (time_ms(&mut times)?, time_ms(&mut times)?);
    times.end(())?;
    (not_before_ms <= not_after_ms).then_some((not_before_ms, not_after_ms))
}

/// The values of the known extensions.
#[derive(Default)]
struct Extensions<'a> {
    authority_key_id: Option<&'a [u8]>,
    subject_key_id: Option<&'a [u8]>,
    names: Option<&'a [u8]>,
    basic_constraints: Option<&'a [u8]>,
    key_usage: Option<&'a [u8]>,
    extended_key_usage: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    fn read(list: &mut Reader<'a>) -> Result<Self, &'static str> {
        let mut found = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        while !list.is_empty() {
            let (id, critical, value) = extension(list).ok_or("an extension is not strict DER")?;
            if seen.contains(&id) {
                return Err("an extension occurs twice");
            }
            seen.push(id);
            // Identifiers are those of RFC 5280 section 4.2.1, id-ce being 2.5.29.
            let (place, must_be_critical) = match id {
                [0x55, 0x1d, 35] => (&mut found.authority_key_id, false),
                [0x55, 0x1d, 14] => (&mut found.subject_key_id, false),
                [0x55, 0x1d, 17] => (&mut found.names, false),
                [0x55, 0x1d, 19] => (&mut found.basic_constraints, true),
                [0x55, 0x1d, 15] => (&mut found.key_usage, true),
                [0x55, 0x1d, 37] => (&mut found.extended_key_usage, false),
                _ if critical => return Err("an extension without meaning here is critical"),
                _ => continue,
            };
            if critical != must_be_critical {
                return Err("an extension is critical or not against the profile");
            }
            *place = Some(value);
        }
        Ok(found)
    }
}

/// Identifier, whether it is critical, and value.
fn extension<'a>(list: &mut Reader<'a>) -> Option<(&'a [u8], bool, &'a [u8])> {
    let mut fields = list.nested(SEQUENCE)?;
    let id = fields.content(OBJECT_IDENTIFIER)?;
    let critical = fields.literal(CRITICAL).is_some();
    let value = fields.content(OCTET_STRING)?;
    fields.end((id, critical, value))
}

fn authority_key_id(value: Option<&[u8]>) -> Option<&[u8; KEY_ID_BYTES]> {
    let mut outer = Reader::new(value?);
    let mut fields = outer.nested(SEQUENCE)?;
    outer.end(())?;
    let id = fields.content(0x80)?;
    fields.end(())?;
    id.try_into().ok()
}

fn subject_key_id(value: Option<&[u8]>) -> Option<&[u8; KEY_ID_BYTES]> {
    let mut outer = Reader::new(value?);
    let id = outer.content(OCTET_STRING)?;
    outer.end(())?;
    id.try_into().ok()
}

/// The DNS name, if there is one, and the role. In this order, and nothing else.
fn alternative_names(value: &[u8]) -> Option<(Option<&str>, &str)> {
    let mut outer = Reader::new(value);
    let mut names = outer.nested(SEQUENCE)?;
    outer.end(())?;
    let dns_name = match names.content(DNS_NAME) {
        Some(name) => Some(str::from_utf8(name).ok()?),
        None => None,
    };
    let uri = str::from_utf8(names.content(URI)?).ok()?;
    names.end((dns_name, uri.strip_prefix(ROLE_URI_PREFIX)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_leaf_has_no_key_that_names_a_holder() {
        let vectors = include_str!("../../testdata/certificates.txt");
        let mut lines = vectors.lines();
        let der = lines.find_map(|line| line.strip_prefix("transport.der "));
        let der = hex::decode(der.unwrap()).unwrap();
        let what = "it is a transport leaf, whose P-256 key names nobody";
        let level = Level::Leaf;
        let leaf = Certificate::read(level, &der).unwrap();
        assert_eq!(leaf.key(), Err(CertificateError::Profile { level, what }));
    }
}
