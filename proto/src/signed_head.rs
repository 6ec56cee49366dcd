//! A head with the signature of the journal's owner: what somebody else can show of what it saw.

use bytes::Bytes;
use prost::Message;

use crate::{
    block::{Head, Header},
    id::PublicKey,
    identity::{Heartbeat, IdentityError},
    limits::SIGNED_HEAD_BYTES_MAX,
    namespace::Overlay,
    signed::{SignedError, Verifier},
    wire::{self, signed_head::Kind},
};

/// The highest that was seen of a journal, in its owner's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedHead {
    /// A block came.
    Header(Box<Header>),
    /// The owner said where its journal ends.
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

    /// Verifies that `owner` said it.
    ///
    /// # Errors
    /// [`SignedError::Forged`] if it did not.
    pub fn verify(&self, owner: &PublicKey, verifier: &dyn Verifier) -> Result<(), SignedError> {
        match self {
            Self::Header(header) => header.signed().verify(owner, verifier),
            Self::Heartbeat(heartbeat) => heartbeat.signed().verify(owner, verifier),
        }
    }

    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> wire::SignedHead {
        let kind = match self {
            Self::Header(header) => Kind::Header(header.signed().to_wire()),
            Self::Heartbeat(heartbeat) => Kind::Heartbeat(heartbeat.signed().to_wire()),
        };
        wire::SignedHead { kind: Some(kind) }
    }

    /// Takes what was received, without verifying.
    ///
    /// # Errors
    /// For everything that is not exactly a header or a heartbeat of `overlay`.
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

    /// The bytes to keep.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads what [`SignedHead::encode`] made.
    ///
    /// # Errors
    /// As [`SignedHead::from_wire`].
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
