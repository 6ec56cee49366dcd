//! This peer's word about itself, with the certificates that it has today.
//!
//! The network file says what a peer's certificates were when it was added. They are renewed since, and receipts must
//! carry those that were in force when the blocks in them were signed; so a peer whose credentials are newer than the
//! file signs its identity anew, and tells partners and clients that one.

use kittengrad_overlay::view::{StrangerError, View};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::Root,
    identity::{Identity, IdentityFields},
    signed::Ed25519,
};

use crate::failure::RunError;

/// The ring with this peer as it is today, and its identity.
pub(crate) fn today(
    view: View,
    root: &Root,
    credentials: &Credentials,
) -> Result<(View, Identity), RunError> {
    let key = credentials.holder().key;
    let view = view.seen_by(key)?;
    let known = view.member(&key).ok_or(StrangerError(key))?.clone();
    if known.chain == *credentials.chain() {
        return Ok((view, known));
    }
    let fields = IdentityFields {
        // A later certificate makes a higher number, however often the file did not hear of one.
        seq: known
            .seq
            .max(credentials.holder().not_after_ms)
            .saturating_add(1),
        state: known.state,
        role: known.role,
        addresses: known.addresses,
        chain: credentials.chain().clone(),
    };
    let identity = Identity::sign(view.overlay(), &fields, credentials.key())?;
    let newer = view.learn([identity.clone()], root, &Ed25519)?;
    Ok((newer.unwrap_or(view), identity))
}
