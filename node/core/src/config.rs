//! The configuration of a peer when it starts.

use std::sync::Arc;

use kittengrad_overlay::view::View;
use kittengrad_proto::{
    identity::Identity,
    signed::{Signer, Verifier},
};

use crate::io::Timing;

/// Everything that a peer needs to start.
pub struct PeerConfig {
    /// The ring at the start. This peer is a member of it.
    pub view: Arc<View>,
    /// This peer's own identity, as partners get it in the hello.
    pub identity: Identity,
    /// Signs blocks and heartbeats.
    pub signer: Arc<dyn Signer>,
    /// Verifies the signatures of other peers.
    pub verifier: Arc<dyn Verifier>,
    /// The time limits.
    pub timing: Timing,
}
