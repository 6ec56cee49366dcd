//! Certificate chains: the role of a holder, decided from bytes alone and for ever.
//!
//! ```text
//! root ── Level-0 ── Level-1 ┬─ Level-2            role client or indexer; a client's key is the publisher's
//!         principal  peer    └─ transport leaf     presented by a peer or aggregator in TLS, with a P-256 key of
//!                    aggregator                    its own; all other keys are Ed25519
//!                    registrar
//! ```
//!
//! A Level-1 certificate is a CA and also the certificate of a journal's key, which TLS libraries refuse; and a replica
//! must give the same verdict in ten years as today. So paths are checked here, against the exact shapes of rfd 1. TLS
//! checks the same certificates again, with a clock and later with revocation lists.

mod der;
mod error;
mod key;
pub mod pem;
mod profile;
mod role;
mod shape;

use bytes::Bytes;
use prost::Message;

pub use error::{CertificateError, Level};
pub use role::{Role, RoleError, transport_label, transport_name};

use key::Purpose;
use profile::Certificate;
use role::{PRINCIPAL, ROOT};

use crate::{
    id::{Id, PublicKey},
    limits::{CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX},
    signed::{Ed25519, Kind, Verifier},
    wire,
};

/// The version of a chain that this program reads and writes.
const VERSION: u32 = 1;
/// Level-1 and Level-0.
const CHAIN_CERTIFICATES_MIN: usize = 2;

/// Whether this can be the name in a certificate: 1 to 64 bytes of UTF-8 without control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    profile::is_name(text)
}

/// The root certificate. Its hash is the network's name.
#[derive(Clone, PartialEq, Eq)]
pub struct Root {
    der: Bytes,
    network: Id,
    key: PublicKey,
    name: String,
}

impl Root {
    /// Reads the DER of a root certificate, and checks its shape and its own signature.
    ///
    /// # Errors
    /// If it is too large, has another shape, or is damaged.
    pub fn from_der(der: Bytes) -> Result<Self, CertificateError> {
        check_size(&der)?;
        let certificate = Certificate::read(Level::Root, &der)?;
        if certificate.role != ROOT {
            let what = "its role is not root";
            return Err(CertificateError::Profile {
                level: Level::Root,
                what,
            });
        }
        certificate.check_issuer(&certificate, &Ed25519)?;
        let (key, name) = (certificate.key()?, certificate.name.to_owned());
        Ok(Self {
            network: Id::of(&[&der]),
            key,
            name,
            der,
        })
    }

    /// The network's name: SHA-256 of the DER.
    #[must_use]
    pub const fn network(&self) -> Id {
        self.network
    }

    /// The key that signs Level-0 certificates.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// Common name of the subject.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificate as DER.
    #[must_use]
    pub const fn der(&self) -> &Bytes {
        &self.der
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Root({:?} {:?})", self.name, self.network)
    }
}

/// Certificates from the leaf, or from a Level-1, to Level-0, without the root. Unverified until
/// [`Chain::verify`] said yes.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<Bytes>,
    id: Id,
}

impl Chain {
    /// Takes DER certificates, the leaf first. Only their number and sizes are checked.
    ///
    /// # Errors
    /// If there are not 2 or 3, or one is too large.
    pub fn from_der(certificates: Vec<Bytes>) -> Result<Self, CertificateError> {
        if !(CHAIN_CERTIFICATES_MIN..=CHAIN_CERTIFICATES_MAX).contains(&certificates.len()) {
            return Err(CertificateError::Count(certificates.len()));
        }
        certificates.iter().try_for_each(|der| check_size(der))?;
        // Copied, because a chain is kept as long as the process lives, and the bytes received are a slice of a whole
        // message.
        let own = certificates.iter().map(|der| Bytes::copy_from_slice(der));
        let mut chain = Self {
            certificates: own.collect(),
            id: Id::ZERO,
        };
        chain.id = Kind::Chain.id(&chain.to_wire().encode_to_vec());
        Ok(chain)
    }

    /// Reads the wire form without verifying it.
    ///
    /// # Errors
    /// If the version is unknown, there are not 2 or 3 certificates, or one is too large.
    pub fn from_wire(wire: wire::Chain) -> Result<Self, CertificateError> {
        if wire.version != VERSION {
            return Err(CertificateError::Version(wire.version));
        }
        Self::from_der(wire.certificates)
    }

    /// Converts to the wire form. The id covers these bytes.
    #[must_use]
    pub fn to_wire(&self) -> wire::Chain {
        wire::Chain {
            version: VERSION,
            certificates: self.certificates.clone(),
        }
    }

    /// The id that transactions name.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The DER certificates, the leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[Bytes] {
        &self.certificates
    }

    /// Checks shapes, names, key identifiers, signatures and roles up to `root`. The time is not checked.
    ///
    /// The result depends on the bytes alone. It may be cached by [`Chain::id`] and root.
    ///
    /// # Errors
    /// The first error, from Level-0 down.
    pub fn verify(&self, root: &Root, verifier: &dyn Verifier) -> Result<Holder, CertificateError> {
        let (leaf, level1, level0) = match &self.certificates[..] {
            [level1, level0] => (None, level1, level0),
            [leaf, level1, level0] => (Some(leaf), level1, level0),
            other => return Err(CertificateError::Count(other.len())),
        };
        let root = Certificate::read(Level::Root, &root.der)?;
        let level0 = below(Level::Zero, level0, &root, verifier)?;
        if level0.role != PRINCIPAL {
            let what = "its role is not principal";
            return Err(CertificateError::Profile {
                level: Level::Zero,
                what,
            });
        }
        let level1 = below(Level::One, level1, &level0, verifier)?;
        let leaf = leaf
            .map(|der| below(Level::Leaf, der, &level1, verifier))
            .transpose()?;
        let path: Vec<_> = [Some(&root), Some(&level0), Some(&level1), leaf.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        check_keys_differ(&path)?;

        let admission = admit(&level0, &level1, leaf.as_ref())?;
        Ok(Holder {
            key: admission.key,
            role: admission.role,
            name: admission.name.to_owned(),
            issuer: admission.issuer,
            not_before_ms: path
                .iter()
                .map(|c| c.not_before_ms)
                .max()
                .unwrap_or(u64::MAX),
            not_after_ms: path.iter().map(|c| c.not_after_ms).min().unwrap_or(0),
            chain: self.id,
        })
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Chain({:?}, {} certificates)",
            self.id,
            self.certificates.len()
        )
    }
}

/// The holder of a verified chain, and its validity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The key that acts: a publisher's or indexer's own, or the Level-1 key of a peer, aggregator or registrar. For a
    /// transport leaf it is the key of its Level-1. The leaf's own key names nobody, so that a member cannot pass for
    /// another one by choosing it.
    pub key: PublicKey,
    /// Its role.
    pub role: Role,
    /// Common name of the certificate of `key`.
    pub name: String,
    /// The key that admitted `key`: the principal's for a Level-1, the Level-1's for a Level-2.
    pub issuer: PublicKey,
    /// Unix time from which all of the chain and its root are valid.
    pub not_before_ms: u64,
    /// Unix time until which all of the chain and its root are valid.
    pub not_after_ms: u64,
    /// Id of the chain.
    pub chain: Id,
}

impl Holder {
    /// Checks that the chain is valid at `now_ms`, both ends included.
    ///
    /// # Errors
    /// [`CertificateError::NotYetValid`] or [`CertificateError::Expired`].
    pub fn check_at(&self, now_ms: u64) -> Result<(), CertificateError> {
        let name = || self.name.clone();
        if now_ms < self.not_before_ms {
            Err(CertificateError::NotYetValid {
                name: name(),
                from_ms: self.not_before_ms,
                now_ms,
            })
        } else if now_ms > self.not_after_ms {
            Err(CertificateError::Expired {
                name: name(),
                until_ms: self.not_after_ms,
                now_ms,
            })
        } else {
            Ok(())
        }
    }

    /// Checks that the holder has one of the roles `wanted`.
    ///
    /// # Errors
    /// [`CertificateError::WrongRole`] if not.
    pub fn check_role(&self, wanted: &[Role]) -> Result<(), CertificateError> {
        if wanted.contains(&self.role) {
            return Ok(());
        }
        let wanted = wanted
            .iter()
            .map(|role| role.as_str())
            .collect::<Vec<_>>()
            .join(" or ");
        Err(CertificateError::WrongRole {
            name: self.name.clone(),
            role: self.role,
            wanted,
        })
    }
}

/// Reads the certificate of `level` and checks it against the one above.
fn below<'a>(
    level: Level,
    der: &'a [u8],
    issuer: &Certificate<'_>,
    verifier: &dyn Verifier,
) -> Result<Certificate<'a>, CertificateError> {
    let certificate = Certificate::read(level, der)?;
    certificate.check_issuer(issuer, verifier)?;
    Ok(certificate)
}

/// The key of a chain that acts, its role and name, and the key that issued its certificate.
struct Admission<'a> {
    key: PublicKey,
    role: Role,
    name: &'a str,
    issuer: PublicKey,
}

/// Decides the role of a chain's holder, by the roles in its certificates.
fn admit<'a>(
    level0: &Certificate<'_>,
    level1: &Certificate<'a>,
    leaf: Option<&Certificate<'a>>,
) -> Result<Admission<'a>, CertificateError> {
    let Ok(role @ (Role::Peer | Role::Aggregator | Role::Registrar)) = level1.role.parse() else {
        let what = "its role is not peer, aggregator or registrar";
        return Err(CertificateError::Profile {
            level: Level::One,
            what,
        });
    };
    let member = Admission {
        key: level1.key()?,
        role,
        name: level1.name,
        issuer: level0.key()?,
    };
    let Some(leaf) = leaf else {
        return Ok(member);
    };
    match (role, leaf.role.parse(), leaf.purpose) {
        (Role::Peer | Role::Aggregator, Ok(same), Purpose::Transport { dns_name })
            if same == role =>
        {
            if dns_name == transport_name(&member.key, role) {
                return Ok(member);
            }
            let what = "its DNS name is not that of its issuer";
            Err(CertificateError::Profile {
                level: Level::Leaf,
                what,
            })
        }
        (Role::Peer | Role::Registrar, Ok(role @ Role::Client), Purpose::Identity(key))
        | (Role::Registrar, Ok(role @ Role::Indexer), Purpose::Identity(key)) => Ok(Admission {
            key,
            role,
            name: leaf.name,
            issuer: member.key,
        }),
        _ => {
            let leaf = leaf.role.chars().take(80).collect();
            Err(CertificateError::NotIssuable { issuer: role, leaf })
        }
    }
}

/// No key occurs twice, so that a signature of one level never passes for one of another level.
///
/// The key of a transport leaf is left out: a P-256 key never equals the Ed25519 keys above it.
fn check_keys_differ(path: &[&Certificate<'_>]) -> Result<(), CertificateError> {
    let keys: Vec<_> = path.iter().filter_map(|c| c.key().ok()).collect();
    for (i, key) in keys.iter().enumerate() {
        if keys[..i].contains(key) {
            return Err(CertificateError::SameKey(*key));
        }
    }
    Ok(())
}

fn check_size(der: &[u8]) -> Result<(), CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLarge {
            bytes: der.len(),
            max: CERTIFICATE_BYTES_MAX,
        });
    }
    Ok(())
}
