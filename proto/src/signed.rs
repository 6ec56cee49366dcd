//! Signed bodies: what a signature and an id are over, and the seam to the signature scheme.
//!
//! ```text
//! message   = "kittengrad/v1/" ‖ kind ‖ 0x00 ‖ body
//! id        = SHA-256(message)
//! signature = Ed25519(message), verified under ZIP 215 rules (rfd 5)
//! ```
//!
//! The body's bytes are kept exactly as received and never encoded again. The id leaves the signature
//! out, so that signing again cannot mint a second id.
//!
//! # Fields that a reader does not know
//!
//! Protobuf skips them. What must not be skipped comes with a new `version`, which older readers refuse by name instead
//! of understanding half; a new kind of item comes with a new version of the header.
//!
//! | object | unknown fields, fields twice | so that |
//! | --- | --- | --- |
//! | transaction | refused | replicas of all versions judge it alike for ever; it means nothing to some that it does not mean to all |
//! | block header, item | skipped | later checkpoints say more, and today's readers still verify the journal |
//! | identity, heartbeat, receipt, link message | skipped | members can be upgraded one after another |
//! | certificate chain | skipped | its id is over its version and certificates alone, so it has one id |
//!
//! So one meaning can be encoded in several ways, and nothing relies on it having only one: a publisher that signs two
//! encodings of one transaction made two, and a peer that signs two encodings of one header made two blocks for one
//! height, which is evidence against it.

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

/// What a signed body is; part of what is signed, so that no body can pass for one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A publisher's transaction.
    Transaction,
    /// A block's header.
    Block,
    /// A member's identity.
    Identity,
    /// A journal's head, said again.
    Heartbeat,
    /// A certificate chain: has an id, but its certificates carry the signatures.
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

/// Makes signatures with one key. The simulator has a fast one.
pub trait Signer: Send + Sync {
    /// The key that verifies them.
    fn public(&self) -> PublicKey;
    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
}

/// Checks signatures. The simulator has a fast one.
pub trait Verifier: Send + Sync {
    /// Whether `signature` over `message` is by `key`.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool;
}

/// The real scheme: Ed25519 under ZIP 215 rules, the one rule used everywhere.
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

    /// The seed: the secret itself.
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

/// A body with its signature, as received. Unverified until [`Signed::verify`] said yes.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    kind: Kind,
    body: Bytes,
    signature: [u8; SIGNATURE_BYTES],
    id: Id,
}

/// Why bytes are no signed object. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignedError {
    /// There is no object at all.
    #[error("the signed object is missing")]
    Missing,
    /// The signature has the wrong length.
    #[error("signature has {0} bytes, not {SIGNATURE_BYTES}")]
    Length(usize),
    /// The body is larger than its kind may be.
    #[error("body has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the body.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The signature is not by the key that the body names.
    #[error("signature is not by {key}")]
    Forged {
        /// The key named.
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

    /// Takes what was received, without verifying.
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

    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> wire::Signed {
        wire::Signed {
            body: self.body.clone(),
            signature: Bytes::copy_from_slice(&self.signature),
        }
    }

    /// As it is stored.
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

    /// The body's bytes.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// SHA-256 of what was signed.
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
