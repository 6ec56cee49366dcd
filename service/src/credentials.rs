//! The credentials of a server, from the folder that `ca admit` wrote.

use std::path::Path;

use kittengrad_pki::credentials::{Credentials, CredentialsError, Paths};
use kittengrad_proto::{certificate::Role, id::Id};

use crate::clock;

/// Reads and checks the credentials in `dir` for `role` in `network`. Warnings are logged and do not stop the process.
///
/// # Errors
/// If a file is missing or wrong, or the credentials are of another role or network, or not valid now.
pub fn load(dir: &Path, role: Role, network: Id) -> Result<Credentials, CredentialsError> {
    let loaded = Credentials::load(&Paths::in_dir(dir), role, clock::unix_ms())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    loaded.credentials.check_network(network, Some(dir))?;
    Ok(loaded.credentials)
}
