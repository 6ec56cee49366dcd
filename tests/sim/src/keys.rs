//! A fast scheme in place of signatures: a keyed hash detects every changed byte, which is enough for most worlds. Some
//! worlds use Ed25519.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_proto::{
    certificate::{Chain, Holder, Role},
    id::{Id, PublicKey},
    identity::{Addresses, Identity, IdentityFields, State},
    namespace::Overlay,
    signed::{Ed25519, SIGNATURE_BYTES, Signer, SigningKey, Verifier},
};

use crate::random::mix;

/// Signs with a keyed hash.
#[derive(Debug, Clone, Copy)]
pub struct Key(PublicKey);

impl Key {
    /// The key with this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(PublicKey::new(*Id::of(&[name.as_bytes()]).as_bytes()))
    }
}

impl Signer for Key {
    fn public(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        signature(&self.0, message)
    }
}

/// Verifies signatures of a [`Key`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes;

impl Verifier for Hashes {
    fn verify(&self, key: &PublicKey, message: &[u8], signed: &[u8; SIGNATURE_BYTES]) -> bool {
        *signed == signature(key, message)
    }
}

/// The signature scheme of a world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// With a keyed hash.
    #[default]
    Fast,
    /// With Ed25519.
    Real,
}

impl Scheme {
    /// The key with this name.
    #[must_use]
    pub fn signer(self, name: &str) -> Arc<dyn Signer> {
        match self {
            Self::Fast => Arc::new(Key::named(name)),
            Self::Real => Arc::new(SigningKey::from_seed(Id::of(&[name.as_bytes()]).as_bytes())),
        }
    }

    /// Verifies signatures of the scheme's keys.
    #[must_use]
    pub fn verifier(self) -> Arc<dyn Verifier> {
        match self {
            Self::Fast => Arc::new(Hashes),
            Self::Real => Arc::new(Ed25519),
        }
    }
}

fn signature(key: &PublicKey, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let mut state = message.len() as u64;
    for part in [&key.as_bytes()[..], message] {
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = mix(state ^ u64::from_le_bytes(word)).wrapping_add(1);
        }
    }
    let mut signature = [0; SIGNATURE_BYTES];
    for (number, word) in signature.chunks_mut(8).enumerate() {
        word.copy_from_slice(&mix(state.wrapping_add(number as u64)).to_le_bytes());
    }
    signature
}

/// A chain of placeholder certificates, which no code of a world parses.
pub(crate) fn chain_of(name: &str) -> Chain {
    let certificate = |level: &str| format!("{level} of {name}").into_bytes().into();
    Chain::from_der(vec![certificate("level 1"), certificate("level 0")]).unwrap()
}

/// The holder that each chain vouches for: the result of parsing the chain.
pub(crate) type Vouched = BTreeMap<Id, Holder>;

/// The holder of a publisher's chain, valid at all times.
pub(crate) fn holder_of(name: &str, key: PublicKey) -> Holder {
    Holder {
        key,
        role: Role::Client,
        name: name.to_owned(),
        issuer: key,
        not_before_ms: 0,
        not_after_ms: u64::MAX,
        chain: chain_of(name).id(),
    }
}

/// The identity that a peer signs in its process number `seq`.
#[must_use]
pub fn identity(overlay: &Overlay, seq: u64, signer: &dyn Signer) -> Identity {
    let fields = IdentityFields {
        seq,
        state: State::Active,
        role: Role::Peer,
        addresses: Addresses::default(),
        chain: chain_of(&signer.public().to_string()),
    };
    Identity::sign(overlay, &fields, signer).unwrap()
}
