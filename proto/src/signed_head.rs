//! A head with its owner's signature, which another member can show as evidence.

use bytes::Bytes;
use prost::Message;

use crate::{
    block::{Head, Header},
    checkpoint::Checkpoint,
    id::PublicKey,
    identity::{Heartbeat, IdentityError},
    limits::SIGNED_HEAD_BYTES_MAX,
    namespace::Overlay,
    signed::{SignedError, Verifier},
    wire::{self, signed_head::Kind},
};

/// The highest head of a journal that was seen, as its owner signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedHead {
    /// From a block.
    Header(Box<Header>),
    /// From a heartbeat.
    Heartbeat(Box<Heartbeat>),
}

impl SignedHead {
    /// Incarnation, height and hash.
    #[must_use]
    pub fn head(&self) -> Head {
        match self {
            Self::Header(header) => header.head(),
            Self::Heartbeat(heartbeat) => heartbeat.head,
        }
    }

    /// The journal's owner that it names.
    #[must_use]
    pub fn owner(&self) -> PublicKey {
        match self {
            Self::Header(header) => header.peer,
            Self::Heartbeat(heartbeat) => heartbeat.peer,
        }
    }

    /// The checkpoint in it.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::Header(header) => header.checkpoint.as_deref(),
            Self::Heartbeat(heartbeat) => heartbeat.checkpoint.as_deref(),
        }
    }

    /// Whether the two name different blocks for one height. Signed by one key, they are evidence against it.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let (one, other) = (self.head(), other.head());
        one.place() == other.place() && one.hash != other.hash
    }

    /// Verifies the signature of `owner`.
    ///
    /// # Errors
    /// [`SignedError::Forged`] if it is not by `owner`.
    pub fn verify(&self, owner: &PublicKey, verifier: &dyn Verifier) -> Result<(), SignedError> {
        match self {
            Self::Header(header) => header.signed().verify(owner, verifier),
            Self::Heartbeat(heartbeat) => heartbeat.signed().verify(owner, verifier),
        }
    }

    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::SignedHead {
        let kind = match self {
            Self::Header(header) => Kind::Header(header.signed().to_wire()),
            Self::Heartbeat(heartbeat) => Kind::Heartbeat(heartbeat.signed().to_wire()),
        };
        wire::SignedHead { kind: Some(kind) }
    }

    /// Reads the wire form without verifying it.
    ///
    /// # Errors
    /// For bytes that are not exactly a header or a heartbeat of `overlay`.
    pub fn from_wire(wire: wire::SignedHead, overlay: &Overlay) -> Result<Self, IdentityError> {
        let malformed = |why: String| IdentityError::Malformed(why);
        match wire.kind {
            Some(Kind::Header(header)) => {
                let header = Header::from_wire(Some(header), overlay);
                let header = header.map_err(|error| malformed(error.to_string()))?;
                Ok(Self::Header(Box::new(header)))
            }
            Some(Kind::Heartbeat(heartbeat)) => {
                let heartbeat = Heartbeat::from_wire(Some(heartbeat), overlay)?;
                Ok(Self::Heartbeat(Box::new(heartbeat)))
            }
            None => Err(malformed("a signed head has no kind".to_owned())),
        }
    }

    /// Converts to the stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads the stored form, which [`SignedHead::encode`] makes.
    ///
    /// # Errors
    /// The errors of [`SignedHead::from_wire`].
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, IdentityError> {
        if bytes.len() > SIGNED_HEAD_BYTES_MAX {
            let bytes = bytes.len();
            return Err(IdentityError::Malformed(format!(
                "a signed head has {bytes} bytes"
            )));
        }
        let wire = wire::SignedHead::decode(bytes);
        let wire = wire.map_err(|error| IdentityError::Malformed(error.to_string()))?;
        Self::from_wire(wire, overlay)
    }
}
