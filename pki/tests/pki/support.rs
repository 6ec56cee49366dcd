//! Authorities and credentials for tests.

use std::time::{Duration, SystemTime};

use kittengrad_pki::{
    authority::{Authority, Request, default_validity},
    credentials::Credentials,
    key_file::generate_key,
};
use kittengrad_proto::{certificate::Role, signed::Signer};

/// 2026-09-21 12:53:20 UTC.
pub(crate) const NOW_MS: u64 = 1_790_000_000_000;
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
pub(crate) const HOUR_MS: u64 = 60 * 60 * 1_000;

/// The time it really is, for what TLS libraries and OpenSSL check.
pub(crate) fn real_now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn authority(now_ms: u64) -> Authority {
    Authority::generate("Sample", now_ms).unwrap().0
}

/// Credentials of a new key, in force from `now_ms` as long as its role usually is.
pub(crate) fn credentials(authority: &Authority, role: Role, now_ms: u64) -> Credentials {
    credentials_for(authority, role, default_validity(role), now_ms)
}

pub(crate) fn credentials_for(
    authority: &Authority,
    role: Role,
    validity: Duration,
    now_ms: u64,
) -> Credentials {
    let key = generate_key().unwrap();
    let name = format!("a {role}");
    let request = Request {
        role,
        name: &name,
        key: &key.public(),
        validity,
        now_ms,
    };
    let (chain, _) = authority.certify(&request).unwrap();
    Credentials::new(key, chain, authority.root().clone()).unwrap()
}
