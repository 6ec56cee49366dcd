//! What a process shows in TLS: its own Level-2 chain, or a short-lived leaf below its Level-1.
//!
//! A Level-1 certificate is a CA, and TLS libraries refuse a CA as a party. So a peer or aggregator makes a
//! fresh key and issues itself a leaf for it, in memory, at each start and again before it ends; its journal
//! key signs journals and certificates, and never a handshake.

use std::sync::Arc;

use arc_swap::ArcSwap;
use kittengrad_proto::{
    certificate::{
        CertificateError, Chain, Holder, Role, Root, pem::write_certificates, transport_label,
    },
    id::PublicKey,
    signed::{Ed25519, Signer, SigningKey},
};
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    authority::TRANSPORT_VALIDITY,
    credentials::Credentials,
    issue::{Authorised, IssueError, Shape, Validity, issue},
    key_file::{KeyFileError, generate_key, pkcs8, write_key},
};

/// Why a process has nothing (new) to show. Nothing changed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransportError {
    /// The leaf could not be made.
    #[error("transport leaf: {0}")]
    Issue(#[from] IssueError),
    /// Its key could not be made.
    #[error("transport leaf: {0}")]
    Key(#[from] KeyFileError),
    /// The credentials are not in force.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A registrar signs offline, and talks to nobody.
    #[error("a registrar is not a process: it has nothing to show in TLS")]
    Registrar,
    /// Renewed credentials are for another key or network.
    #[error("{found} cannot take the place of {shown} in a process that runs")]
    OtherHolder {
        /// Whom the connections so far are from.
        shown: PublicKey,
        /// Whom the new credentials are for.
        found: PublicKey,
    },
    /// rustls cannot use the key.
    #[error("TLS refuses the key: {0}")]
    Rustls(rustls::Error),
}

/// What one end of connections shows, shared by all its TLS configurations and renewed in place.
pub struct Transport {
    /// Replaced by the owner of the process, through [`Transport::renew`]; read at every handshake.
    shown: ArcSwap<Shown>,
    root: Root,
}

/// A chain and its key, as they are shown from some time on.
pub struct Shown {
    chain: Chain,
    holder: Holder,
    certified: Arc<CertifiedKey>,
    key_pem: Zeroizing<String>,
}

impl Transport {
    /// Prepares what the holder of `credentials` shows: a new leaf for a peer or aggregator, in force for
    /// [`TRANSPORT_VALIDITY`] at most; the Level-2 chain itself for a client or indexer.
    ///
    /// # Errors
    /// If the credentials are not in force at `now_ms`, or a leaf cannot be made.
    pub fn of(credentials: &Credentials, now_ms: u64) -> Result<Arc<Self>, TransportError> {
        let shown = ArcSwap::from_pointee(Shown::of(credentials, now_ms)?);
        Ok(Arc::new(Self {
            shown,
            root: credentials.root().clone(),
        }))
    }

    /// Shows a new leaf from the next handshake on, or the renewed chain of a client or indexer.
    /// Connections that are open stay as they are.
    ///
    /// # Errors
    /// As for [`Transport::of`], and if the credentials are somebody else's.
    pub fn renew(&self, credentials: &Credentials, now_ms: u64) -> Result<(), TransportError> {
        let (shown, found) = (self.holder().key, credentials.holder().key);
        if shown != found || self.root != *credentials.root() {
            return Err(TransportError::OtherHolder { shown, found });
        }
        self.shown.store(Arc::new(Shown::of(credentials, now_ms)?));
        Ok(())
    }

    /// When to call [`Transport::renew`]: after two thirds of what is shown, Unix time in milliseconds.
    #[must_use]
    pub fn renew_at_ms(&self) -> u64 {
        let holder = self.holder();
        holder.not_after_ms - (holder.not_after_ms - holder.not_before_ms) / 3
    }

    /// What is shown now.
    #[must_use]
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.load_full()
    }

    /// Whom it speaks for.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.shown.load().holder.clone()
    }

    /// The root that the other end must hang on too.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }
}

impl Shown {
    fn of(credentials: &Credentials, now_ms: u64) -> Result<Self, TransportError> {
        let holder = credentials.holder();
        holder.check_at(now_ms)?;
        let (chain, key) = match holder.role {
            Role::Client | Role::Indexer => {
                (credentials.chain().clone(), credentials.key().clone())
            }
            Role::Registrar => return Err(TransportError::Registrar),
            Role::Peer | Role::Aggregator => issue_leaf(credentials, now_ms)?,
        };
        let holder = chain.verify(credentials.root(), &Ed25519)?;
        holder.check_at(now_ms)?;
        let certificates = rustls_certificates(&chain);
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8(&key).to_vec()));
        let certified = CertifiedKey::from_der(certificates, der, &aws_lc_rs::default_provider());
        let certified = Arc::new(certified.map_err(TransportError::Rustls)?);
        Ok(Self {
            chain,
            holder,
            certified,
            key_pem: write_key(&key),
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

    /// The chain as PEM, for libraries that want that.
    #[must_use]
    pub fn certificates_pem(&self) -> String {
        write_certificates(self.chain.certificates())
    }

    /// The key as PEM, for libraries that want that.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

/// A leaf of a member for a new key, and the chain below it.
fn issue_leaf(
    credentials: &Credentials,
    now_ms: u64,
) -> Result<(Chain, SigningKey), TransportError> {
    let holder = credentials.holder();
    let key = generate_key()?;
    let issuer = Authorised {
        name: holder.name.clone(),
        key: credentials.key().clone(),
        not_after_ms: holder.not_after_ms,
    };
    let shape = Shape::Transport(&holder.key, holder.role);
    let validity = Validity::of(now_ms, TRANSPORT_VALIDITY, issuer.not_after_ms);
    let label = transport_label(&holder.key);
    let leaf = issue(shape, &label, &key.public(), validity, &issuer)?;
    let above = credentials.chain().certificates().iter().cloned();
    Ok((
        Chain::from_der([leaf].into_iter().chain(above).collect())?,
        key,
    ))
}

/// The certificates of a chain, leaf first, as rustls wants them.
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

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({:?})", self.chain)
    }
}
