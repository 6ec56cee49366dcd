//! Publishers: keys that sign transactions.

use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Role},
    id::PublicKey,
    signed::{Signer, SigningKey},
};

/// A publisher whose key this client has.
#[derive(Debug, Clone)]
pub struct Publisher {
    name: String,
    credentials: Credentials,
}

impl Publisher {
    /// Makes a publisher with the local name `name`.
    ///
    /// # Errors
    /// If the credentials are not of a client: only clients publish.
    pub fn new(name: String, credentials: Credentials) -> Result<Self, CertificateError> {
        credentials.holder().check_role(&[Role::Client])?;
        Ok(Self { name, credentials })
    }

    /// Its name in this client's configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key, which names it in updates.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.credentials.key().public()
    }

    /// The holder of its certificates.
    #[must_use]
    pub const fn holder(&self) -> &Holder {
        self.credentials.holder()
    }

    /// Its certificates.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        self.credentials.chain()
    }

    pub(crate) const fn signer(&self) -> &SigningKey {
        self.credentials.key()
    }
}
