//! Identities: the signed addresses of a member; and heartbeats, which repeat the head of its journal.

mod heartbeat;

use bytes::Bytes;
use kittengrad_ring::Replicas;
use prost::Message;
use thiserror::Error;

pub use heartbeat::{Beat, Heartbeat, HeartbeatFields};

use crate::{
    certificate::{CertificateError, Chain, Holder, Role, Root},
    checkpoint::CheckpointError,
    id::{Id, IdError, PublicKey},
    limits::{ADDRESS_BYTES_MAX, IDENTITY_BYTES_MAX},
    namespace::{ForeignError, Overlay},
    signed::{Kind, Signed, SignedError, Signer, Verifier},
    wire,
};

/// The version of these formats that this program reads and writes.
const VERSION: u32 = 1;

/// Why bytes are not a identity or heartbeat. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Missing, too large or forged.
    #[error("identity: {0}")]
    Signed(#[from] SignedError),
    /// Not a protobuf message, or with a field out of range.
    #[error("identity is malformed: {0}")]
    Malformed(String),
    /// It belongs to another network or namespace.
    #[error("identity of another network or namespace: {0}")]
    Foreign(#[from] ForeignError),
    /// The version of the format is unknown.
    #[error("identity has version {0}; this program knows {VERSION}")]
    Version(u32),
    /// A name has a wrong length.
    #[error("identity: {0}")]
    Id(#[from] IdError),
    /// The nonce of a question or of a heartbeat has a wrong length.
    #[error("a nonce has {0} bytes, not 16")]
    Nonce(usize),
    /// The checkpoint of a heartbeat, or the list beside it, breaks a rule.
    #[error("heartbeat: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Its certificates do not verify.
    #[error("identity: {0}")]
    Certificate(#[from] CertificateError),
    /// Its certificates are of another key or role.
    #[error(
        "identity says that {key:?} is {role}; its certificates say that {holder:?} is {holder_role}"
    )]
    Holder {
        /// The key in the identity.
        key: PublicKey,
        /// The role in the identity.
        role: Role,
        /// The key in the certificates.
        holder: PublicKey,
        /// The role in the certificates.
        holder_role: Role,
    },
}

/// The state of a member's place in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Filling its arc. It receives writes and answers no reads.
    Joining,
    /// In the ring.
    Active,
    /// Handing its arc over.
    Leaving,
}

/// The addresses at which a member listens, each "host:port", or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC for clients.
    pub grpc: String,
    /// QUIC for partners.
    pub quic: String,
    /// HTTP: status, metrics, health.
    pub http: String,
}

/// A member of the network, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    signed: Signed,
    /// The member's key; its hash is its point on the ring.
    pub key: PublicKey,
    /// The identity with the highest seq of a key wins.
    pub seq: u64,
    /// Its place in the ring.
    pub state: State,
    /// The role in its certificates.
    pub role: Role,
    /// Its addresses.
    pub addresses: Addresses,
    /// Level-1 and Level-0 certificates.
    pub chain: Chain,
}

/// The fields of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFields {
    /// The identity with the highest seq of a key wins.
    pub seq: u64,
    /// Its place in the ring.
    pub state: State,
    /// The role in its certificates.
    pub role: Role,
    /// Its addresses.
    pub addresses: Addresses,
    /// Level-1 and Level-0 certificates.
    pub chain: Chain,
}

impl Identity {
    /// Signs an identity.
    ///
    /// # Errors
    /// If it breaks a limit.
    pub fn sign(
        overlay: &Overlay,
        fields: &IdentityFields,
        signer: &dyn Signer,
    ) -> Result<Self, IdentityError> {
        let state = match fields.state {
            State::Joining => wire::State::Joining,
            State::Active => wire::State::Active,
            State::Leaving => wire::State::Leaving,
        };
        let body = wire::Identity {
            version: VERSION,
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            namespace: overlay.namespace.to_string(),
            key: Bytes::copy_from_slice(signer.public().as_bytes()),
            seq: fields.seq,
            state: state.into(),
            role: fields.role.to_wire().into(),
            grpc: fields.addresses.grpc.clone(),
            quic: fields.addresses.quic.clone(),
            http: fields.addresses.http.clone(),
            chain: Some(fields.chain.to_wire()),
        };
        let signed = Signed::new(Kind::Identity, body.encode_to_vec().into(), signer);
        Self::from_wire(Some(signed.to_wire()), overlay)
    }

    /// Checks the structure of a received identity. [`Identity::verify`] checks signature and certificates.
    ///
    /// # Errors
    /// For bytes that are not exactly an identity of `overlay` within the limits.
    pub fn from_wire(wire: Option<wire::Signed>, overlay: &Overlay) -> Result<Self, IdentityError> {
        let signed = Signed::from_wire(Kind::Identity, wire, IDENTITY_BYTES_MAX)?;
        let malformed = |why: String| IdentityError::Malformed(why);
        let body =
            wire::Identity::decode(signed.body().clone()).map_err(|e| malformed(e.to_string()))?;
        if body.version != VERSION {
            return Err(IdentityError::Version(body.version));
        }
        overlay.check(&body.network, &body.namespace)?;
        let state = match body.state() {
            wire::State::Joining => State::Joining,
            wire::State::Active => State::Active,
            wire::State::Leaving => State::Leaving,
            wire::State::Unspecified => return Err(malformed("it has no state".to_owned())),
        };
        let role = Role::from_wire(body.role)
            .ok_or_else(|| malformed(format!("it has role {}", body.role)))?;
        for address in [&body.grpc, &body.quic, &body.http] {
            if address.len() > ADDRESS_BYTES_MAX {
                return Err(malformed(format!("an address has {} bytes", address.len())));
            }
        }
        let chain = Chain::from_wire(
            body.chain
                .ok_or_else(|| malformed("it has no chain".to_owned()))?,
        )?;
        Ok(Self {
            signed,
            key: PublicKey::from_slice(&body.key)?,
            seq: body.seq,
            state,
            role,
            addresses: Addresses {
                grpc: body.grpc,
                quic: body.quic,
                http: body.http,
            },
            chain,
        })
    }

    /// Reads a stored identity: bytes of [`Signed::encode`].
    ///
    /// # Errors
    /// As [`Identity::from_wire`].
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, IdentityError> {
        let wire =
            wire::Signed::decode(bytes).map_err(|e| IdentityError::Malformed(e.to_string()))?;
        Self::from_wire(Some(wire), overlay)
    }

    /// Verifies signature and certificates, except their time.
    ///
    /// # Errors
    /// If the signature is forged, or the certificates are of another key or role.
    pub fn verify(&self, root: &Root, verifier: &dyn Verifier) -> Result<Holder, IdentityError> {
        self.signed.verify(&self.key, verifier)?;
        let holder = self.chain.verify(root, verifier)?;
        if holder.key != self.key || holder.role != self.role {
            return Err(IdentityError::Holder {
                key: self.key,
                role: self.role,
                holder: holder.key,
                holder_role: holder.role,
            });
        }
        Ok(holder)
    }

    /// The rank of this identity among those of its key. The highest (seq, id) is kept, so that every member keeps the
    /// same one in any order of arrival.
    #[must_use]
    pub const fn rank(&self) -> (u64, Id) {
        (self.seq, self.signed.id())
    }

    /// The object as received.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }
}

/// The id of a ring (rfd 8):
///
/// ```text
/// SHA-256(R (1) ‖ for each member, ascending by key: key (32) ‖ state (1): joining 1, active 2, leaving 3)
/// ```
#[must_use]
pub fn ring_id<'a>(
    replicas: Replicas,
    members: impl IntoIterator<Item = (&'a PublicKey, State)>,
) -> Id {
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_unstable();
    let mut bytes = Vec::with_capacity(1 + members.len() * 33);
    bytes.push(replicas.to_u8());
    for (key, state) in members {
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(match state {
            State::Joining => 1,
            State::Active => 2,
            State::Leaving => 3,
        });
    }
    Id::of(&[&bytes])
}
