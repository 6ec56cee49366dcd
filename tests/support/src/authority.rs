//! Authorities and the holders that they certify, with real keys and certificates.

use std::{path::Path, time::Duration};

use kittengrad_pki::{
    authority::{Authority, Request, default_validity},
    credentials::Credentials,
    directory::{Admission, InitOptions},
    key_file::generate_key,
    tls::install_provider,
};
use kittengrad_proto::{
    certificate::Role,
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Overlay,
    signed::{Signer, SigningKey},
};

use crate::clock::unix_ms;

/// A new authority in memory, created at `now_ms`.
#[must_use]
pub fn authority_at(now_ms: u64) -> Authority {
    install_provider();
    Authority::generate("Sample", now_ms).unwrap().0
}

/// A new authority in memory.
#[must_use]
pub fn authority() -> Authority {
    authority_at(unix_ms())
}

/// A new authority with its files in `folder`.
#[must_use]
pub fn authority_in(folder: &Path) -> Authority {
    install_provider();
    let options = InitOptions {
        name: "Sample".to_owned(),
        now_ms: unix_ms(),
    };
    Authority::init(folder, &options).unwrap().authority
}

/// A request for a certificate, such as `Admit { name: "Tate", ..Admit::new(Role::Client) }.by(&authority)`.
#[derive(Debug, Clone)]
pub struct Admit<'a> {
    /// The role of the holder.
    pub role: Role,
    /// The name of the holder.
    pub name: &'a str,
    /// How long the certificate is valid.
    pub validity: Duration,
    /// The start of its validity, in Unix milliseconds.
    pub now_ms: u64,
    /// The holder's key; a new one if `None`.
    pub key: Option<SigningKey>,
}

impl Admit<'_> {
    /// A request for a new key, valid from now on, for the default time of its role.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            name: "somebody",
            validity: default_validity(role),
            now_ms: unix_ms(),
            key: None,
        }
    }

    /// Certifies the key, in memory.
    #[must_use]
    pub fn by(self, authority: &Authority) -> Credentials {
        let key = self.key.unwrap_or_else(|| generate_key().unwrap());
        let request = Request {
            role: self.role,
            name: self.name,
            key: &key.public(),
            validity: self.validity,
            now_ms: self.now_ms,
        };
        let (chain, _) = authority.certify(&request).unwrap();
        Credentials::new(key, chain, authority.root().clone()).unwrap()
    }
}

/// Certifies a new key, in memory.
#[must_use]
pub fn admit(authority: &Authority, role: Role) -> Credentials {
    Admit::new(role).by(authority)
}

/// Certifies a new key, in memory, valid from `now_ms` on.
#[must_use]
pub fn admit_at(now_ms: u64, authority: &Authority, role: Role) -> Credentials {
    let admit = Admit::new(role);
    Admit { now_ms, ..admit }.by(authority)
}

/// Certifies a new key of a holder named `name`, in memory.
#[must_use]
pub fn admit_as(name: &str, authority: &Authority, role: Role) -> Credentials {
    let admit = Admit::new(role);
    Admit { name, ..admit }.by(authority)
}

/// Certifies a new key and writes its files into `folder`.
pub fn admit_into(folder: &Path, authority: &Authority, role: Role) -> Credentials {
    let admission = Admission {
        role,
        name: "somebody",
        validity: default_validity(role),
        existing_key: None,
        now_ms: unix_ms(),
    };
    authority.admit(&admission, folder).unwrap().credentials
}

/// The identity of an active member with these addresses.
#[must_use]
pub fn identity(
    overlay: &Overlay,
    credentials: &Credentials,
    seq: u64,
    addresses: Addresses,
) -> Identity {
    let fields = IdentityFields {
        seq,
        state: State::Active,
        role: credentials.holder().role,
        addresses,
        chain: credentials.chain().clone(),
    };
    Identity::sign(overlay, &fields, credentials.key()).unwrap()
}
