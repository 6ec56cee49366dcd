//! The hello: the sender's identity, and the heads of both journals.

use bytes::Bytes;

use super::LinkError;
use crate::{
    block::Head, id::Id, identity::Identity, namespace::Overlay, signed_head::SignedHead, wire,
};

/// First message in both directions, and again when something in it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The id of the ring that the sender knows.
    pub ring: Id,
    /// The sender's own head; `None` until it signed its first block.
    pub head: Option<Head>,
    /// The highest head of the receiver that the sender saw, as the receiver signed it.
    pub seen: Option<SignedHead>,
    /// False while the sender fills its arcs.
    pub is_settled: bool,
    /// Whether the start rule lets the sender sign.
    pub is_open: bool,
    /// The sender.
    pub identity: Identity,
    /// The sender's clock, in Unix milliseconds.
    pub time_ms: u64,
}

impl Hello {
    pub(super) fn to_wire(&self, overlay: &Overlay) -> wire::Hello {
        wire::Hello {
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            namespace: overlay.namespace.to_string(),
            ring: Bytes::copy_from_slice(self.ring.as_bytes()),
            head: self.head.as_ref().map(Head::to_wire),
            seen: self.seen.as_ref().map(SignedHead::to_wire),
            settled: self.is_settled,
            identity: Some(self.identity.signed().to_wire()),
            open: self.is_open,
            time_ms: self.time_ms,
        }
    }

    pub(super) fn from_wire(wire: wire::Hello, overlay: &Overlay) -> Result<Self, LinkError> {
        overlay.check(&wire.network, &wire.namespace)?;
        Ok(Self {
            ring: Id::from_slice(&wire.ring)?,
            head: Head::from_wire(wire.head.as_ref())?,
            seen: wire
                .seen
                .map(|seen| SignedHead::from_wire(seen, overlay))
                .transpose()?,
            is_settled: wire.settled,
            is_open: wire.open,
            identity: Identity::from_wire(wire.identity, overlay)?,
            time_ms: wire.time_ms,
        })
    }
}
