//! This peer's word about itself, with the certificates that it has today.
//!
//! The network file says what a peer's certificates were when it was added. They are renewed since, and receipts must
//! carry those that were in force when the blocks in them were signed; so a peer whose credentials are newer than the
//! file signs its identity anew, and tells partners and clients that one.

use kittengrad_client::network::Network;
use kittengrad_node_core::MembershipError;
use kittengrad_pki::credentials::Credentials;
use kittengrad_proto::identity::{Identity, IdentityFields};

use crate::failure::RunError;

/// The network with this peer as it is today, and its identity.
pub(crate) fn today(
    network: Network,
    credentials: &Credentials,
) -> Result<(Network, Identity), RunError> {
    let key = credentials.holder().key;
    let known = network.peers().find(|identity| identity.key == key);
    let known = known.ok_or(MembershipError::Stranger(key))?.clone();
    if known.chain == *credentials.chain() {
        return Ok((network, known));
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
    let identity = Identity::sign(network.overlay(), &fields, credentials.key())?;
    let newer = network.learn(vec![identity.clone()])?;
    Ok((newer.unwrap_or(network), identity))
}
