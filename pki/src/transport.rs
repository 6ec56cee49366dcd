//! The certificate that a process presents in TLS: its Level-2 chain, or a short-lived leaf below its Level-1.
//!
//! A Level-1 certificate is a CA, and TLS libraries refuse a CA as an end entity. So a peer or aggregator issues itself
//! a leaf for a new key, in memory, at each start and before the leaf expires. Its journal key signs journals and
//! certificates, never a handshake. The leaf's key is P-256, because gRPC clients built on BoringSSL accept no Ed25519
//! signature of a server in a handshake (rfd 1).

use std::sync::Arc;

use arc_swap::ArcSwap;
use kittengrad_proto::{
    certificate::{
        CertificateError, Chain, Holder, Role, Root, pem::write_certificates, transport_label,
    },
    id::PublicKey,
    signed::Ed25519,
};
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    authority::TRANSPORT_VALIDITY,
    credentials::Credentials,
    issue::{Authorised, IssueError, Shape, Validity, issue},
    key_file::{KeyFileError, generate_transport_key, pkcs8, write_pkcs8},
};

/// Why a process has no new TLS identity. Nothing changed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransportError {
    /// The leaf cannot be made.
    #[error("transport leaf: {0}")]
    Issue(#[from] IssueError),
    /// Its key cannot be made.
    #[error("transport leaf: {0}")]
    Key(#[from] KeyFileError),
    /// The credentials are not valid now.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A registrar signs offline and has no connections.
    #[error("a registrar is not a process and has no TLS certificate")]
    Registrar,
    /// The renewed credentials are of another key or network.
    #[error("{found} cannot replace {shown} in a running process")]
    OtherHolder {
        /// The key of the connections so far.
        shown: PublicKey,
        /// The key of the new credentials.
        found: PublicKey,
    },
    /// rustls refuses the key.
    #[error("TLS refuses the key: {0}")]
    Rustls(rustls::Error),
}

/// The TLS identity of a process, shared by all its TLS configurations and renewed in place.
pub struct Transport {
    /// Replaced by the owner of the process, through [`Transport::renew`]; read at every handshake.
    shown: ArcSwap<TlsIdentity>,
    root: Root,
}

/// A chain and its key.
pub struct TlsIdentity {
    chain: Chain,
    holder: Holder,
    certified: Arc<CertifiedKey>,
    key_pem: Zeroizing<String>,
}

impl Transport {
    /// Makes the TLS identity for `credentials`: a new leaf for a peer or aggregator, valid for at most
    /// [`TRANSPORT_VALIDITY`]; the Level-2 chain itself for a client or indexer.
    ///
    /// # Errors
    /// If the credentials are not valid at `now_ms`, or a leaf cannot be made.
    pub fn of(credentials: &Credentials, now_ms: u64) -> Result<Arc<Self>, TransportError> {
        let shown = ArcSwap::from_pointee(TlsIdentity::of(credentials, now_ms)?);
        Ok(Arc::new(Self {
            shown,
            root: credentials.root().clone(),
        }))
    }

    /// Presents a new leaf, or the renewed chain of a client or indexer, from the next handshake on. Open connections
    /// stay as they are.
    ///
    /// # Errors
    /// The errors of [`Transport::of`], and credentials of another holder.
    pub fn renew(&self, credentials: &Credentials, now_ms: u64) -> Result<(), TransportError> {
        let (shown, found) = (self.holder().key, credentials.holder().key);
        if shown != found || self.root != *credentials.root() {
            return Err(TransportError::OtherHolder { shown, found });
        }
        self.shown
            .store(Arc::new(TlsIdentity::of(credentials, now_ms)?));
        Ok(())
    }

    /// The time to call [`Transport::renew`]: after two thirds of the validity, in Unix milliseconds.
    #[must_use]
    pub fn renew_at_ms(&self) -> u64 {
        let holder = self.holder();
        holder.not_after_ms - (holder.not_after_ms - holder.not_before_ms) / 3
    }

    /// The current identity.
    #[must_use]
    pub fn identity(&self) -> Arc<TlsIdentity> {
        self.shown.load_full()
    }

    /// The holder of the current identity.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.shown.load().holder.clone()
    }

    /// The root that the other end must be below too.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }
}

impl TlsIdentity {
    fn of(credentials: &Credentials, now_ms: u64) -> Result<Self, TransportError> {
        let holder = credentials.holder();
        holder.check_at(now_ms)?;
        let (chain, key) = match holder.role {
            Role::Client | Role::Indexer => (credentials.chain().clone(), pkcs8(credentials.key())),
            Role::Registrar => return Err(TransportError::Registrar),
            Role::Peer | Role::Aggregator => issue_leaf(credentials, now_ms)?,
        };
        let holder = chain.verify(credentials.root(), &Ed25519)?;
        holder.check_at(now_ms)?;
        let certificates = rustls_certificates(&chain);
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
        let certified = CertifiedKey::from_der(certificates, der, &aws_lc_rs::default_provider());
        let certified = Arc::new(certified.map_err(TransportError::Rustls)?);
        Ok(Self {
            chain,
            holder,
            certified,
            key_pem: write_pkcs8(&key),
        })
    }

    /// The chain, leaf first.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Chain and key for rustls.
    #[must_use]
    pub fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// The chain as PEM, for other TLS libraries.
    #[must_use]
    pub fn certificates_pem(&self) -> String {
        write_certificates(self.chain.certificates())
    }

    /// The key as PEM, for other TLS libraries.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

/// The leaf of a member for a new key, followed by the rest of the chain; and the key as PKCS#8.
fn issue_leaf(
    credentials: &Credentials,
    now_ms: u64,
) -> Result<(Chain, Zeroizing<Vec<u8>>), TransportError> {
    let holder = credentials.holder();
    let key = generate_transport_key()?;
    let issuer = Authorised {
        name: holder.name.clone(),
        key: credentials.key().clone(),
        not_after_ms: holder.not_after_ms,
    };
    let shape = Shape::Transport(&holder.key, holder.role);
    let validity = Validity::of(now_ms, TRANSPORT_VALIDITY, issuer.not_after_ms);
    let label = transport_label(&holder.key);
    let leaf = issue(shape, &label, &key, validity, &issuer)?;
    let above = credentials.chain().certificates().iter().cloned();
    Ok((
        Chain::from_der([leaf].into_iter().chain(above).collect())?,
        Zeroizing::new(key.serialize_der()),
    ))
}

/// The certificates of a chain, leaf first, in the type of rustls.
#[must_use]
pub fn rustls_certificates(chain: &Chain) -> Vec<CertificateDer<'static>> {
    chain
        .certificates()
        .iter()
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect()
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let holder = self.holder();
        write!(f, "Transport({} {:?})", holder.role, holder.key)
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsIdentity({:?})", self.chain)
    }
}
