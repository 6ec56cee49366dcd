//! Makes single certificates, exactly in the shapes that the profile in `proto` accepts.

use std::time::Duration;

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{Role, is_name, transport_name},
    id::PublicKey,
    signed::{Signer, SigningKey},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm,
};
use thiserror::Error;
use time::OffsetDateTime;

/// How far back every certificate begins, for clocks that are slow.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// Why a certificate was not made. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssueError {
    /// A name that is not allowed in a certificate.
    #[error(
        "{0:?} cannot be the name in a certificate; use 1 to 64 bytes without control characters"
    )]
    Name(String),
    /// A name too long to add " principal" and " registrar" to it.
    #[error(
        "{0:?} cannot be the name of a network; use 1 to {NETWORK_NAME_BYTES_MAX} bytes without control characters"
    )]
    NetworkName(String),
    /// A time that is not allowed in a certificate.
    #[error("{0} ms is outside the years of a certificate, 1970 to 9999")]
    Time(u64),
    /// The system returned no random bytes.
    #[error("the system returned no random bytes: {0}")]
    Randomness(String),
    /// The library refused.
    #[error("cannot make a certificate: {0}")]
    Library(String),
}

/// Bytes of a network's name. With " principal" or " registrar" added, it must fit into a certificate.
pub const NETWORK_NAME_BYTES_MAX: usize = 54;

/// The shape of a certificate in the tower.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<'a> {
    Root,
    Principal,
    /// A Level-1.
    Member(Role),
    /// A Level-2.
    Client(Role),
    /// The transport leaf of the member with this key. The leaf has another one.
    Transport(&'a PublicKey, Role),
}

/// Validity, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before_ms: u64,
    pub(crate) not_after_ms: u64,
}

impl Validity {
    /// `length` from now on, beginning a little earlier for slow clocks, and never after the issuer's end.
    pub(crate) fn of(now_ms: u64, length: Duration, issuer_not_after_ms: u64) -> Self {
        let end_ms = now_ms.saturating_add(millis(length));
        Self {
            not_before_ms: now_ms.saturating_sub(millis(CLOCK_SKEW)),
            not_after_ms: end_ms.min(issuer_not_after_ms),
        }
    }
}

/// The issuer of a certificate: its common name and key.
#[derive(Debug, Clone)]
pub(crate) struct Authorised {
    pub(crate) name: String,
    pub(crate) key: SigningKey,
    pub(crate) not_after_ms: u64,
}

/// Makes a certificate for `subject`, signed by `issuer`. The profile wants a P-256 key in a transport leaf and a
/// [`Public`] key in the others.
pub(crate) fn issue(
    shape: Shape<'_>,
    name: &str,
    subject: &impl PublicKeyData,
    validity: Validity,
    issuer: &Authorised,
) -> Result<Bytes, IssueError> {
    let params = params(shape, name, validity)?;
    let mut above = CertificateParams::default();
    above.distinguished_name = common_name(&issuer.name);
    let issuer = Issuer::from_params(&above, Pair::of(&issuer.key));
    let made = params.signed_by(subject, &issuer).map_err(refused)?;
    Ok(Bytes::copy_from_slice(made.der()))
}

/// Makes a certificate that signs itself.
pub(crate) fn self_sign(issuer: &Authorised, validity: Validity) -> Result<Bytes, IssueError> {
    let params = params(Shape::Root, &issuer.name, validity)?;
    let made = params
        .self_signed(&Pair::of(&issuer.key))
        .map_err(refused)?;
    Ok(Bytes::copy_from_slice(made.der()))
}

fn params(
    shape: Shape<'_>,
    name: &str,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign};

    if !is_name(name) {
        return Err(IssueError::Name(name.chars().take(80).collect()));
    }
    let uri = |word: &str| text(format!("urn:kittengrad:role:{word}")).map(SanType::URI);
    let authority = |path| IsCa::Ca(BasicConstraints::Constrained(path));
    let (is_ca, key_usages, extended_key_usages, subject_alt_names) = match shape {
        Shape::Root => (
            authority(2),
            vec![KeyCertSign, CrlSign],
            vec![],
            vec![uri("root")?],
        ),
        Shape::Principal => (
            authority(1),
            vec![KeyCertSign, CrlSign],
            vec![],
            vec![uri("principal")?],
        ),
        Shape::Member(role) => {
            let usages = vec![DigitalSignature, KeyCertSign, CrlSign];
            (authority(0), usages, vec![], vec![uri(role.as_str())?])
        }
        Shape::Client(role) => (
            IsCa::ExplicitNoCa,
            vec![DigitalSignature],
            vec![ClientAuth],
            vec![uri(role.as_str())?],
        ),
        Shape::Transport(member, role) => {
            let dns_name = SanType::DnsName(text(transport_name(member, role))?);
            let names = vec![dns_name, uri(role.as_str())?];
            (
                IsCa::ExplicitNoCa,
                vec![DigitalSignature],
                vec![ServerAuth, ClientAuth],
                names,
            )
        }
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.not_before = date(validity.not_before_ms)?;
    params.not_after = date(validity.not_after_ms)?;
    params.serial_number = Some(serial_number()?);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = is_ca;
    params.key_usages = key_usages;
    params.extended_key_usages = extended_key_usages;
    params.subject_alt_names = subject_alt_names;
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn text<T: TryFrom<String, Error = rcgen::Error>>(text: String) -> Result<T, IssueError> {
    T::try_from(text).map_err(refused)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: rcgen::Error) -> IssueError {
    IssueError::Library(error.to_string())
}

/// 16 random bytes, the first from 0x40 to 0x7f: a positive integer of constant length.
fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| IssueError::Randomness(e.to_string()))?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn date(ms: u64) -> Result<OffsetDateTime, IssueError> {
    let seconds = i64::try_from(ms / 1_000).map_err(|_| IssueError::Time(ms))?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Time(ms))
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The Ed25519 key in a certificate.
pub(crate) struct Public(pub(crate) PublicKey);

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// The key that signs a certificate.
struct Pair<'a> {
    key: &'a SigningKey,
    public: PublicKey,
}

impl<'a> Pair<'a> {
    fn of(key: &'a SigningKey) -> Self {
        Self {
            key,
            public: key.public(),
        }
    }
}

impl PublicKeyData for Pair<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Pair<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_vec())
    }
}
