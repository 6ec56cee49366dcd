//! An operator's certificate authority in memory: makes the tower of certificates and certifies keys.
//!
//! ```text
//! root ── principal ┬─ peers and aggregators, by `certify`
//!                   └─ registrar ── clients and indexers, by `certify`
//! ```
//!
//! The root key is needed only to make the principal.

use std::time::Duration;

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Role, Root, is_name},
    id::PublicKey,
    signed::{Ed25519, Signer, SigningKey},
};
use thiserror::Error;

use crate::{
    issue::{Authorised, Public, Shape, Validity, issue, millis, self_sign},
    key_file::{KeyFileError, generate_key},
};

pub use crate::issue::{CLOCK_SKEW, IssueError, NETWORK_NAME_BYTES_MAX};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Validity of a root.
pub const ROOT_VALIDITY: Duration = DAY.saturating_mul(20 * 365);
/// Validity of a principal.
pub const PRINCIPAL_VALIDITY: Duration = DAY.saturating_mul(10 * 365);
/// Validity of a registrar.
pub const REGISTRAR_VALIDITY: Duration = DAY.saturating_mul(5 * 365);
/// Validity of the transport leaf of a peer or aggregator.
pub const TRANSPORT_VALIDITY: Duration = DAY.saturating_mul(30);

/// The validity of a certificate of `role`, unless the operator chooses another.
#[must_use]
pub const fn default_validity(role: Role) -> Duration {
    match role {
        Role::Peer | Role::Aggregator => DAY.saturating_mul(2 * 365),
        Role::Indexer | Role::Client => DAY.saturating_mul(365),
        Role::Registrar => REGISTRAR_VALIDITY,
    }
}

/// Why a key was not certified. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// The certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The profile refuses the certificate, or its issuer.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The key is not the one in the certificate.
    #[error("{what}: key {key} does not belong to the certificate of {certified}")]
    OtherKey {
        /// The certificate file.
        what: &'static str,
        /// The key in its key file.
        key: PublicKey,
        /// The key in the certificate.
        certified: PublicKey,
    },
}

/// A principal and its registrar. The key of their root is not part of it.
#[derive(Debug, Clone)]
pub struct Authority {
    root: Root,
    level0: Bytes,
    principal: Authorised,
    registrar_der: Bytes,
    registrar: Authorised,
}

/// The parts of an authority, as they are stored.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The root certificate.
    pub root: Bytes,
    /// The principal's certificate.
    pub level0: Bytes,
    /// The principal's key.
    pub level0_key: SigningKey,
    /// The registrar's certificate.
    pub registrar: Bytes,
    /// The registrar's key.
    pub registrar_key: SigningKey,
}

/// A request for a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its role.
    pub role: Role,
    /// Common name of the subject.
    pub name: &'a str,
    /// Its key.
    pub key: &'a PublicKey,
    /// Validity from now on. A certificate ends no later than its issuer's.
    pub validity: Duration,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

impl Authority {
    /// Makes a new tower. The second value is the root key, to be stored offline.
    ///
    /// # Errors
    /// If `name` is invalid (at most [`NETWORK_NAME_BYTES_MAX`] bytes), or the system returns no random bytes.
    pub fn generate(name: &str, now_ms: u64) -> Result<(Self, SigningKey), AuthorityError> {
        if !is_name(name) || name.len() > NETWORK_NAME_BYTES_MAX {
            return Err(IssueError::NetworkName(name.chars().take(80).collect()).into());
        }
        let authorised = |of: &str, length| -> Result<Authorised, AuthorityError> {
            let not_after_ms = now_ms.saturating_add(millis(length));
            Ok(Authorised {
                name: format!("{name} {of}"),
                key: generate_key()?,
                not_after_ms,
            })
        };
        let root = authorised("root", ROOT_VALIDITY)?;
        let principal = authorised("principal", PRINCIPAL_VALIDITY)?;
        let registrar = authorised("registrar", REGISTRAR_VALIDITY)?;
        let until = |length| Validity::of(now_ms, length, u64::MAX);

        let root_der = self_sign(&root, until(ROOT_VALIDITY))?;
        let (of, key) = (&principal.name, Public(principal.key.public()));
        let level0 = issue(Shape::Principal, of, &key, until(PRINCIPAL_VALIDITY), &root)?;
        let (of, key) = (&registrar.name, Public(registrar.key.public()));
        let shape = Shape::Member(Role::Registrar);
        let registrar_der = issue(shape, of, &key, until(REGISTRAR_VALIDITY), &principal)?;

        let root_key = root.key;
        let root = Root::from_der(root_der)?;
        let made = Self {
            root,
            level0,
            principal,
            registrar_der,
            registrar,
        };
        made.registrar_chain()?.verify(&made.root, &Ed25519)?;
        Ok((made, root_key))
    }

    /// Makes an authority of its parts, and checks that they belong together.
    ///
    /// # Errors
    /// If a certificate is wrong or a key is not the one in it.
    pub fn from_parts(parts: Parts) -> Result<Self, AuthorityError> {
        let root = Root::from_der(parts.root)?;
        let chain = Chain::from_der(vec![parts.registrar.clone(), parts.level0.clone()])?;
        let holder = chain.verify(&root, &Ed25519)?;
        holder.check_role(&[Role::Registrar])?;
        check_key("registrar", &parts.registrar_key, holder.key)?;
        check_key("principal", &parts.level0_key, holder.issuer)?;
        let (name, not_after_ms) = described(&parts.level0)?;
        Ok(Self {
            root,
            level0: parts.level0,
            principal: Authorised {
                name,
                key: parts.level0_key,
                not_after_ms,
            },
            registrar_der: parts.registrar,
            registrar: Authorised {
                name: holder.name,
                key: parts.registrar_key,
                not_after_ms: holder.not_after_ms,
            },
        })
    }

    /// The parts to store.
    #[must_use]
    pub fn to_parts(&self) -> Parts {
        Parts {
            root: self.root.der().clone(),
            level0: self.level0.clone(),
            level0_key: self.principal.key.clone(),
            registrar: self.registrar_der.clone(),
            registrar_key: self.registrar.key.clone(),
        }
    }

    /// The root of all its certificates.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// Certifies a key: a Level-1 by the principal, a Level-2 by the registrar. The result is verified like any other
    /// chain before it is returned.
    ///
    /// # Errors
    /// If the name is invalid or the issuer's own, or the issuer has expired.
    pub fn certify(&self, request: &Request<'_>) -> Result<(Chain, Holder), AuthorityError> {
        self.certify_from(request, u64::MAX)
    }

    /// Like [`Authority::certify`], for a key that has a certificate. The new certificate begins when the old one did,
    /// so that it verifies everything that the key signed since.
    ///
    /// # Errors
    /// As [`Authority::certify`].
    pub fn renew(
        &self,
        request: &Request<'_>,
        before: &Holder,
    ) -> Result<(Chain, Holder), AuthorityError> {
        let is_same = before.key == *request.key && before.role == request.role;
        let from_ms = if is_same {
            before.not_before_ms
        } else {
            u64::MAX
        };
        self.certify_from(request, from_ms)
    }

    /// Certifies a key from `from_ms` on, or from now on if that is earlier.
    fn certify_from(
        &self,
        request: &Request<'_>,
        from_ms: u64,
    ) -> Result<(Chain, Holder), AuthorityError> {
        let Request {
            role,
            name,
            key,
            validity,
            now_ms,
        } = *request;
        let is_level1 = role.is_member() || role == Role::Registrar;
        let (shape, issuer) = if is_level1 {
            (Shape::Member(role), &self.principal)
        } else {
            (Shape::Client(role), &self.registrar)
        };
        if now_ms > issuer.not_after_ms {
            let (name, until_ms) = (issuer.name.clone(), issuer.not_after_ms);
            return Err(CertificateError::Expired {
                name,
                until_ms,
                now_ms,
            }
            .into());
        }
        let mut validity = Validity::of(now_ms, validity, issuer.not_after_ms);
        validity.not_before_ms = validity.not_before_ms.min(from_ms);
        let der = issue(shape, name, &Public(*key), validity, issuer)?;
        let chain = Chain::from_der(if is_level1 {
            vec![der, self.level0.clone()]
        } else {
            vec![der, self.registrar_der.clone(), self.level0.clone()]
        })?;
        let holder = chain.verify(&self.root, &Ed25519)?;
        holder.check_at(now_ms)?;
        Ok((chain, holder))
    }

    fn registrar_chain(&self) -> Result<Chain, CertificateError> {
        Chain::from_der(vec![self.registrar_der.clone(), self.level0.clone()])
    }
}

fn check_key(
    what: &'static str,
    key: &SigningKey,
    certified: PublicKey,
) -> Result<(), AuthorityError> {
    let key = key.public();
    if key == certified {
        Ok(())
    } else {
        Err(AuthorityError::OtherKey {
            what,
            key,
            certified,
        })
    }
}

/// Common name and end of a verified certificate.
fn described(der: &[u8]) -> Result<(String, u64), IssueError> {
    let unreadable = |why: String| IssueError::Library(why);
    let (_, parsed) =
        x509_parser::parse_x509_certificate(der).map_err(|e| unreadable(e.to_string()))?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let name = name.ok_or_else(|| unreadable("no common name".to_owned()))?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Ok((name.to_owned(), seconds.saturating_mul(1_000)))
}
