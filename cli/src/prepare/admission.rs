//! Admitting the processes, clients and publishers of a demo, each once.

use std::path::Path;

use anyhow::bail;
use kittengrad_overlay::view::View;
use kittengrad_pki::{
    authority::{Authority, default_validity},
    credentials::{Credentials, Paths},
    directory::Admission,
};
use kittengrad_proto::certificate::Role;
use kittengrad_service::clock::unix_ms;

/// Folder of the authority.
pub(super) const CA: &str = "ca";

/// The credentials of a client of an existing network. The authority may be absent: only a client without credentials
/// needs it.
pub(super) fn admit_client(
    dir: &Path,
    view: &View,
    name: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    if held(Role::Client, folder)?.is_some() {
        return Ok(());
    }
    let ca = dir.join(CA);
    if !ca.exists() {
        bail!(
            "{name:?} has no credentials, and the authority that could admit it is not in {}: restore that folder",
            ca.display()
        );
    }
    let authority = Authority::open(&ca)?;
    if authority.root().network() != view.overlay().network {
        bail!(
            "{} is the authority of another network than {}/network.toml: restore the authority of this network",
            ca.display(),
            dir.display()
        );
    }
    admit(&authority, Role::Client, name, folder)?;
    Ok(())
}

/// Credentials in a folder; those that are there already are kept.
pub(super) fn admit(
    authority: &Authority,
    role: Role,
    name: &str,
    folder: &Path,
) -> anyhow::Result<Credentials> {
    if let Some(held) = held(role, folder)? {
        return Ok(held);
    }
    let admission = Admission {
        role,
        name,
        validity: default_validity(role),
        existing_key: None,
        now_ms: unix_ms(),
    };
    Ok(authority.admit(&admission, folder)?.credentials)
}

/// The credentials that are in a folder already.
fn held(role: Role, folder: &Path) -> anyhow::Result<Option<Credentials>> {
    let paths = Paths::in_dir(folder);
    if !paths.chain.exists() {
        return Ok(None);
    }
    Ok(Some(
        Credentials::load(&paths, role, unix_ms())?.credentials,
    ))
}
