//! What a peer is given when it starts.

use std::sync::Arc;

use kittengrad_overlay::view::View;
use kittengrad_proto::{
    identity::Identity,
    signed::{Signer, Verifier},
};

use crate::io::Timing;

/// Everything that a peer is given.
pub struct PeerConfig {
    /// The ring as this peer sees it when it starts: it is a member of it.
    pub view: Arc<View>,
    /// What this peer tells others of itself.
    pub identity: Identity,
    /// Signs blocks and heartbeats.
    pub signer: Arc<dyn Signer>,
    /// Verifies others' blocks.
    pub verifier: Arc<dyn Verifier>,
    /// How long to wait for what.
    pub timing: Timing,
}
