//! TLS of all connections: version 1.3, certificates on both sides, no resumption.
//!
//! Resumption would let a revoked client reconnect with an old handshake, so tickets, session caches and early data are
//! off on both ends. After a handshake, [`holder_of`] returns the other end: webpki checks path and time, our profile
//! decides the role.

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

/// Why a TLS configuration cannot be made. Nothing changed.
#[derive(Debug, Clone, Error)]
pub enum TlsError {
    /// rustls refuses root, chain or key.
    #[error("TLS cannot be configured: {0}")]
    Rustls(#[from] rustls::Error),
    /// rustls refuses root or revocation lists.
    #[error("TLS cannot check certificates: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Revocation lists for the checks of handshakes.
///
/// Empty today: revocation is not checked. With a list of one CA, there must be a valid list of every CA in the tower,
/// because a missing list fails the handshake.
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

/// Installs aws-lc as the TLS provider of this process. Call it first in every `main` and test.
pub fn install_provider() {
    // An error means that a provider is installed. The build allows only this one.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The configuration of a listener. Clients must present a certificate below the same root.
///
/// It presents the current identity of `transport`, also after a renewal.
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

/// The configuration of a caller. It presents its certificate, and requires [`server_name`] of the other end.
///
/// It presents the current identity of `transport`, also after a renewal.
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

/// The server name of the member with this key. The handshake fails with any other.
#[must_use]
pub fn server_name(member: &PublicKey, role: Role) -> ServerName<'static> {
    ServerName::try_from(transport_name(member, role))
        .expect("52 letters and digits are a DNS label")
}

/// The holder at the other end of a connection, by the certificates of its handshake, the leaf first.
///
/// # Errors
/// If they are not a chain of the profile below `root`, or not valid at `now_ms`.
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
        Some(self.identity().certified())
    }
}

impl ResolvesClientCert for Transport {
    fn resolve(
        &self,
        _root_names: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.identity().certified())
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
