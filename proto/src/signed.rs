//! Signed bodies: the bytes that a signature and an id cover, and the interface to the signature scheme.
//!
//! ```text
//! message   = "kittengrad/v1/" ‖ kind ‖ 0x00 ‖ body
//! id        = SHA-256(message)
//! signature = Ed25519(message), verified under ZIP 215 rules (rfd 5)
//! ```
//!
//! The body's bytes are kept exactly as received and never encoded again. The id does not cover the signature, so that
//! signing again does not make a second id.
//!
//! # Unknown fields
//!
//! Protobuf skips unknown fields. A field that must not be skipped comes with a new `version`, which older readers
//! refuse by name. A new kind of item comes with a new version of the header.
//!
//! | object | unknown or duplicate fields | reason |
//! | --- | --- | --- |
//! | transaction | refused | replicas of all versions must give one verdict for ever |
//! | block header, item | skipped | later checkpoints add fields, and today's readers still verify the journal |
//! | identity, heartbeat, receipt, link message | skipped | members can be upgraded one after another |
//! | certificate chain | skipped | the id covers only version and certificates, so a chain has one id |
//!
//! So one meaning can have several encodings, and no code relies on there being one. A publisher that signs two
//! encodings of one transaction makes two transactions. A peer that signs two encodings of one header makes two blocks
//! for one height, which is evidence against it.

use bytes::Bytes;
use ed25519_zebra::{Signature as ZebraSignature, SigningKey as ZebraKey, VerificationKey};
use prost::Message;
use thiserror::Error;

use crate::{
    id::{Id, PublicKey},
    wire,
};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The kind of a signed body. It is part of the signed message, so that no body passes for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A publisher's transaction.
    Transaction,
    /// A block's header.
    Block,
    /// A member's identity.
    Identity,
    /// A journal's head, repeated.
    Heartbeat,
    /// A certificate chain: it has an id, but the signatures are in its certificates.
    Chain,
}

impl Kind {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Transaction => b"kittengrad/v1/transaction\0",
            Self::Block => b"kittengrad/v1/block\0",
            Self::Identity => b"kittengrad/v1/identity\0",
            Self::Heartbeat => b"kittengrad/v1/heartbeat\0",
            Self::Chain => b"kittengrad/v1/chain\0",
        }
    }

    /// The id of a body of this kind.
    #[must_use]
    pub fn id(self, body: &[u8]) -> Id {
        Id::of(&[self.prefix(), body])
    }

    fn message(self, body: &[u8]) -> Vec<u8> {
        [self.prefix(), body].concat()
    }
}

/// Makes signatures with one key. The simulator has a fast implementation.
pub trait Signer: Send + Sync {
    /// The key that verifies the signatures.
    fn public(&self) -> PublicKey;
    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
}

/// Checks signatures. The simulator has a fast implementation.
pub trait Verifier: Send + Sync {
    /// Whether `signature` over `message` is by `key`.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool;
}

/// The real scheme: Ed25519 under ZIP 215 rules, the same rules everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519;

impl Verifier for Ed25519 {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        VerificationKey::try_from(*key.as_bytes()).is_ok_and(|key| {
            key.verify(&ZebraSignature::from_bytes(signature), message)
                .is_ok()
        })
    }
}

/// An Ed25519 key that signs.
#[derive(Clone)]
pub struct SigningKey(ZebraKey);

impl SigningKey {
    /// The key of a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ZebraKey::from_bytes(seed))
    }

    /// The seed, which is the secret itself.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.public())
    }
}

impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        PublicKey::new(self.0.verification_key().into())
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

/// A body with its signature, as received. Unverified until [`Signed::verify`] succeeds.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    kind: Kind,
    body: Bytes,
    signature: [u8; SIGNATURE_BYTES],
    id: Id,
}

/// Why bytes are not a signed object. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignedError {
    /// The object is missing.
    #[error("the signed object is missing")]
    Missing,
    /// The signature has the wrong length.
    #[error("signature has {0} bytes, not {SIGNATURE_BYTES}")]
    Length(usize),
    /// The body is too large for its kind.
    #[error("body has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the body.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The signature is not by the key in the body.
    #[error("signature is not by {key}")]
    Forged {
        /// The key in the body.
        key: PublicKey,
    },
}

impl Signed {
    /// Signs `body`.
    #[must_use]
    pub fn new(kind: Kind, body: Bytes, signer: &dyn Signer) -> Self {
        let message = kind.message(&body);
        Self {
            kind,
            signature: signer.sign(&message),
            id: Id::of(&[&message]),
            body,
        }
    }

    /// Reads the wire form without verifying it.
    ///
    /// # Errors
    /// If it is missing, its signature has another length or its body has more than `body_bytes_max` bytes.
    pub fn from_wire(
        kind: Kind,
        wire: Option<wire::Signed>,
        body_bytes_max: usize,
    ) -> Result<Self, SignedError> {
        let wire = wire.ok_or(SignedError::Missing)?;
        let signature = wire.signature[..]
            .try_into()
            .map_err(|_| SignedError::Length(wire.signature.len()))?;
        if wire.body.len() > body_bytes_max {
            return Err(SignedError::TooLarge {
                bytes: wire.body.len(),
                max: body_bytes_max,
            });
        }
        Ok(Self {
            kind,
            id: kind.id(&wire.body),
            body: wire.body,
            signature,
        })
    }

    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Signed {
        wire::Signed {
            body: self.body.clone(),
            signature: Bytes::copy_from_slice(&self.signature),
        }
    }

    /// Converts to the stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// [`SignedError::Forged`] if it is not by `key`.
    pub fn verify(&self, key: &PublicKey, verifier: &dyn Verifier) -> Result<(), SignedError> {
        if verifier.verify(key, &self.kind.message(&self.body), &self.signature) {
            Ok(())
        } else {
            Err(SignedError::Forged { key: *key })
        }
    }

    /// The same object with a copy of the body, which otherwise keeps the whole message in memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            body: Bytes::copy_from_slice(&self.body),
            ..self.clone()
        }
    }

    /// The body's bytes.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// SHA-256 of the signed message.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// Bytes of body and signature.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.body.len() + SIGNATURE_BYTES
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signed({:?} {:?})", self.kind, self.id)
    }
}
