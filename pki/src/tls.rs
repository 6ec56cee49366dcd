//! TLS as every connection here has it: version 1.3, certificates on both sides, nothing resumed.
//!
//! Resumption would let a revoked client back in on the strength of an old handshake, so tickets, session
//! caches and early data are off at both ends. After a handshake [`holder_of`] says whom it was with:
//! webpki checked the path and the time, our own profile decides the role.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Role, Root, transport_name},
    id::PublicKey,
    signed::Ed25519,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError,
        WebPkiClientVerifier,
    },
    sign::CertifiedKey,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use thiserror::Error;

use crate::transport::Transport;

/// Why there is no TLS configuration. Nothing changed.
#[derive(Debug, Clone, Error)]
pub enum TlsError {
    /// The library refuses root, chain or key.
    #[error("TLS cannot be configured: {0}")]
    Rustls(#[from] rustls::Error),
    /// The library refuses root or revocation lists.
    #[error("TLS cannot check certificates: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Revocation lists that handshakes are checked against.
///
/// Empty today, and then nothing is asked about revocation. With a list of one CA there must be one of every CA
/// of the tower, in force, or a handshake fails: unknown is not good.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    lists: Vec<CertificateRevocationListDer<'static>>,
}

impl Revocations {
    /// Lists as DER.
    #[must_use]
    pub const fn new(lists: Vec<CertificateRevocationListDer<'static>>) -> Self {
        Self { lists }
    }
}

/// Makes aws-lc the provider of all TLS in this process; to be called first in every `main` and test.
pub fn install_provider() {
    // An error says that a provider is installed already, which the build makes the same one.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// What a listener accepts with: clients must show a certificate of the same root.
///
/// It goes on showing what `transport` has, also after that was renewed.
///
/// # Errors
/// If rustls refuses the root or a revocation list.
pub fn server_config(
    transport: &Arc<Transport>,
    revocations: &Revocations,
    alpn: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let mut verifier =
        WebPkiClientVerifier::builder_with_provider(roots(transport.root())?, provider())
            .with_crls(revocations.lists.clone());
    if !revocations.lists.is_empty() {
        verifier = verifier.enforce_revocation_expiration();
    }
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier.build()?)
        .with_cert_resolver(transport.clone());
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

/// What a caller connects with: shows its certificate, and wants [`server_name`] of the other end.
///
/// It goes on showing what `transport` has, also after that was renewed.
///
/// # Errors
/// If rustls refuses the root or a revocation list.
pub fn client_config(
    transport: &Arc<Transport>,
    revocations: &Revocations,
    alpn: &[&[u8]],
) -> Result<ClientConfig, TlsError> {
    let mut verifier =
        WebPkiServerVerifier::builder_with_provider(roots(transport.root())?, provider())
            .with_crls(revocations.lists.clone());
    if !revocations.lists.is_empty() {
        verifier = verifier.enforce_revocation_expiration();
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(verifier.build()?)
        .with_client_cert_resolver(transport.clone());
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

/// The name to ask for when connecting to the member with this key: the handshake fails with any other.
#[must_use]
pub fn server_name(member: &PublicKey, role: Role) -> ServerName<'static> {
    ServerName::try_from(transport_name(member, role))
        .expect("52 letters and digits are a DNS label")
}

/// Whom a connection is from, by the certificates shown in its handshake, the leaf first.
///
/// # Errors
/// If they are not a chain of the profile below `root`, or not in force at `now_ms`.
pub fn holder_of(
    peer_certificates: &[CertificateDer<'_>],
    root: &Root,
    now_ms: u64,
) -> Result<Holder, CertificateError> {
    let ders = peer_certificates
        .iter()
        .map(|der| Bytes::copy_from_slice(der))
        .collect();
    let holder = Chain::from_der(ders)?.verify(root, &Ed25519)?;
    holder.check_at(now_ms)?;
    Ok(holder)
}

impl ResolvesServerCert for Transport {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown().certified())
    }
}

impl ResolvesClientCert for Transport {
    fn resolve(
        &self,
        _root_names: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.shown().certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn roots(root: &Root) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from(root.der().to_vec()))?;
    Ok(Arc::new(store))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
