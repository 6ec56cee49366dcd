//! This peer's identity, with its current certificates.
//!
//! The network file has the certificates of the day on which the peer was added. They are renewed later, and receipts
//! must carry the certificates in force when their blocks were signed. So a peer with newer credentials than the file
//! signs its identity again, and sends the new one to partners and clients.

use kittengrad_overlay::view::{StrangerError, View};
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::{
    certificate::Root,
    identity::{Identity, IdentityFields},
    signed::Ed25519,
};

use crate::failure::RunError;

/// The ring as this peer sees it, with its current identity, and this identity.
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
        // The end of a later certificate is a higher number, however many renewals the file missed.
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
