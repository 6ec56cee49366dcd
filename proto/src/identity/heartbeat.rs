//! Heartbeats: a journal's head, signed again while there are no new blocks and in answer to a question.

use bytes::Bytes;
use prost::Message;

use super::{IdentityError, VERSION};
use crate::{
    block::Head,
    checkpoint::{self, Checkpoint, ThroughList},
    id::PublicKey,
    limits::{HEARTBEAT_BYTES_MAX, NONCE_BYTES},
    namespace::Overlay,
    signed::{Kind, Signed, Signer, Verifier},
    weight::{self, Part},
    wire,
};

/// Parts of which a heartbeat may have many.
const PARTS: &[Part] = &[Part::new::<wire::Checkpoint>(8, checkpoint::PARTS)];

/// The fields of a heartbeat that its signer chooses. Overlay and key are those of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatFields {
    /// The head.
    pub head: Head,
    /// Unix time in milliseconds. No block signed later has an earlier time.
    pub time_ms: u64,
    /// The nonce of the question that this answers.
    pub nonce: Option<[u8; NONCE_BYTES]>,
    /// The state at a height up to the head's.
    pub checkpoint: Option<Checkpoint>,
}

/// A signed statement that this is the peer's head: in quiet streams, and as the answer to `GetHead`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    signed: Signed,
    /// Key of the journal's owner.
    pub peer: PublicKey,
    /// The head.
    pub head: Head,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// The nonce of the question that this answers. The head is not older than the question.
    pub nonce: Option<[u8; NONCE_BYTES]>,
    /// The state at a height up to the head's.
    pub checkpoint: Option<Box<Checkpoint>>,
}

impl Heartbeat {
    /// Signs a heartbeat without nonce and checkpoint.
    #[must_use]
    pub fn sign(overlay: &Overlay, head: Head, time_ms: u64, signer: &dyn Signer) -> Self {
        let fields = HeartbeatFields {
            head,
            time_ms,
            nonce: None,
            checkpoint: None,
        };
        Self::sign_fields(overlay, fields, signer)
    }

    /// Signs a heartbeat with these fields.
    #[must_use]
    pub fn sign_fields(overlay: &Overlay, fields: HeartbeatFields, signer: &dyn Signer) -> Self {
        let nonce = fields.nonce.as_ref().map(|nonce| &nonce[..]);
        let body = wire::Heartbeat {
            version: VERSION,
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            namespace: overlay.namespace.to_string(),
            peer: Bytes::copy_from_slice(signer.public().as_bytes()),
            head: Some(fields.head.to_wire()),
            time_ms: fields.time_ms,
            nonce: Bytes::copy_from_slice(nonce.unwrap_or_default()),
            checkpoint: fields.checkpoint.as_ref().map(Checkpoint::to_wire),
        };
        let signed = Signed::new(Kind::Heartbeat, body.encode_to_vec().into(), signer);
        Self {
            signed,
            peer: signer.public(),
            head: fields.head,
            time_ms: fields.time_ms,
            nonce: fields.nonce,
            checkpoint: fields.checkpoint.map(Box::new),
        }
    }

    /// Checks the structure of a received heartbeat; [`Heartbeat::verify`] checks its signature.
    ///
    /// # Errors
    /// For bytes that are not exactly a heartbeat of `overlay`.
    pub fn from_wire(wire: Option<wire::Signed>, overlay: &Overlay) -> Result<Self, IdentityError> {
        let signed = Signed::from_wire(Kind::Heartbeat, wire, HEARTBEAT_BYTES_MAX)?;
        let malformed = |why: String| IdentityError::Malformed(why);
        weight::check(signed.body(), PARTS).map_err(|e| malformed(e.to_string()))?;
        let body =
            wire::Heartbeat::decode(signed.body().clone()).map_err(|e| malformed(e.to_string()))?;
        if body.version != VERSION {
            return Err(IdentityError::Version(body.version));
        }
        overlay.check(&body.network, &body.namespace)?;
        let head = Head::from_wire(body.head.as_ref())?
            .ok_or_else(|| malformed("a heartbeat has no head".to_owned()))?;
        let last = Some(head.height);
        let checkpoint = body.checkpoint.map(|it| Checkpoint::from_wire(it, last));
        Ok(Self {
            signed,
            peer: PublicKey::from_slice(&body.peer)?,
            head,
            time_ms: body.time_ms,
            nonce: Self::nonce_from_wire(&body.nonce)?,
            checkpoint: checkpoint.transpose()?.map(Box::new),
        })
    }

    /// Reads the nonce of a question or an answer. `None` if it is empty.
    ///
    /// # Errors
    /// [`IdentityError::Nonce`] for another length.
    pub fn nonce_from_wire(bytes: &[u8]) -> Result<Option<[u8; NONCE_BYTES]>, IdentityError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let nonce = bytes.try_into();
        nonce
            .map(Some)
            .map_err(|_| IdentityError::Nonce(bytes.len()))
    }

    /// Verifies the signature of the peer that the heartbeat names.
    ///
    /// # Errors
    /// [`IdentityError::Signed`] if it is forged.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), IdentityError> {
        Ok(self.signed.verify(&self.peer, verifier)?)
    }

    /// The object as received.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }
}

/// A heartbeat with the positions in other journals whose root its checkpoint signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The heartbeat.
    pub heartbeat: Heartbeat,
    /// The positions. Empty without a checkpoint.
    pub through: ThroughList,
}

impl Beat {
    /// Checks the structure of a received heartbeat and of the list beside it.
    ///
    /// # Errors
    /// The errors of [`Heartbeat::from_wire`], and a list that does not match the checkpoint.
    pub fn from_wire(
        wire: Option<wire::Signed>,
        through: Vec<Bytes>,
        overlay: &Overlay,
    ) -> Result<Self, IdentityError> {
        let heartbeat = Heartbeat::from_wire(wire, overlay)?;
        let checkpoint = heartbeat.checkpoint.as_deref();
        let through = checkpoint::beside(checkpoint, through, heartbeat.peer)?;
        Ok(Self { heartbeat, through })
    }
}

/// A heartbeat without a checkpoint.
impl From<Heartbeat> for Beat {
    fn from(heartbeat: Heartbeat) -> Self {
        let through = ThroughList::default();
        Self { heartbeat, through }
    }
}
