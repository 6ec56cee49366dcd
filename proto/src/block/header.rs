//! Headers: the signed links of a journal.

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use super::head::Head;
use crate::{
    checkpoint::{self, Checkpoint, CheckpointError},
    id::{Id, IdError, PublicKey},
    limits::{BLOCK_ITEMS_MAX, HEADER_BYTES_MAX},
    namespace::{ForeignError, Overlay},
    signed::{Kind, Signed, SignedError, Signer, Verifier},
    weight::{self, Part},
    wire,
};

/// The version of a header, and of the items under it, that this program reads and writes. In version 1, items did not
/// say which cells they touch.
const VERSION: u32 = 2;

/// Parts of which a header may have many.
const PARTS: &[Part] = &[Part::new::<wire::Checkpoint>(12, checkpoint::PARTS)];

/// Why bytes are not a header. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Missing, too large or forged.
    #[error("block header: {0}")]
    Signed(#[from] SignedError),
    /// Not a protobuf message, or with a field out of range.
    #[error("block header is malformed: {0}")]
    Malformed(String),
    /// It belongs to another network or namespace.
    #[error("block header of another network or namespace: {0}")]
    Foreign(#[from] ForeignError),
    /// The version of the format is unknown.
    #[error("block header has version {0}; this program knows {VERSION}")]
    Version(u32),
    /// A name has a wrong length.
    #[error("block header: {0}")]
    Id(#[from] IdError),
    /// Its checkpoint, or the list beside it, breaks a rule.
    #[error("block header: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// The fields of a header that its owner chooses. Overlay and key are those of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFields {
    /// The incarnation of the peer's journal.
    pub incarnation: u64,
    /// Number of the block, from 0.
    pub height: u64,
    /// Hash of the block before; [`Id::ZERO`] at height 0.
    pub previous: Id,
    /// Unix time in milliseconds; never goes back within a journal.
    pub time_ms: u64,
    /// Tree head over the items.
    pub items_root: Id,
    /// Number of items.
    pub item_count: u32,
    /// At height 0: the last known head of the incarnation before.
    pub fork: Option<Head>,
    /// The state at a height below this one.
    pub checkpoint: Option<Checkpoint>,
    /// Height of the last block, up to this one, that begins with a `hold`.
    pub hold: u64,
}

/// A header whose structure was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    signed: Signed,
    /// Key of the journal's owner.
    pub peer: PublicKey,
    /// The incarnation of the peer's journal.
    pub incarnation: u64,
    /// Number of the block, from 0.
    pub height: u64,
    /// Hash of the block before; [`Id::ZERO`] at height 0.
    pub previous: Id,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// Tree head over the items.
    pub items_root: Id,
    /// Number of items.
    pub item_count: u32,
    /// At height 0: the last known head of the incarnation before.
    pub fork: Option<Head>,
    /// The state at a height below this one.
    pub checkpoint: Option<Box<Checkpoint>>,
    /// Height of the last block, up to this one, that begins with a `hold`.
    pub hold: u64,
}

impl Header {
    /// Signs a header.
    #[must_use]
    pub fn sign(overlay: &Overlay, fields: &HeaderFields, signer: &dyn Signer) -> Self {
        let peer = signer.public();
        let body = wire::BlockHeader {
            version: VERSION,
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            namespace: overlay.namespace.to_string(),
            peer: Bytes::copy_from_slice(peer.as_bytes()),
            incarnation: fields.incarnation,
            height: fields.height,
            previous: Bytes::copy_from_slice(fields.previous.as_bytes()),
            time_ms: fields.time_ms,
            items_root: Bytes::copy_from_slice(fields.items_root.as_bytes()),
            item_count: fields.item_count,
            fork: fields.fork.as_ref().map(Head::to_wire),
            checkpoint: fields.checkpoint.as_ref().map(Checkpoint::to_wire),
            hold: fields.hold,
        };
        let signed = Signed::new(Kind::Block, body.encode_to_vec().into(), signer);
        Self {
            signed,
            peer,
            incarnation: fields.incarnation,
            height: fields.height,
            previous: fields.previous,
            time_ms: fields.time_ms,
            items_root: fields.items_root,
            item_count: fields.item_count,
            fork: fields.fork,
            checkpoint: fields.checkpoint.clone().map(Box::new),
            hold: fields.hold,
        }
    }

    /// Checks the structure of a received header; [`Header::verify`] checks its signature.
    ///
    /// # Errors
    /// For bytes that are not exactly a header of `overlay` within the limits.
    pub fn from_wire(wire: Option<wire::Signed>, overlay: &Overlay) -> Result<Self, HeaderError> {
        let signed = Signed::from_wire(Kind::Block, wire, HEADER_BYTES_MAX)?;
        let malformed = |why: String| HeaderError::Malformed(why);
        weight::check(signed.body(), PARTS).map_err(|e| malformed(e.to_string()))?;
        let body = wire::BlockHeader::decode(signed.body().clone())
            .map_err(|e| malformed(e.to_string()))?;
        if body.version != VERSION {
            return Err(HeaderError::Version(body.version));
        }
        overlay.check(&body.network, &body.namespace)?;
        if body.item_count as usize > BLOCK_ITEMS_MAX {
            return Err(malformed(format!("it claims {} items", body.item_count)));
        }
        let fork = Head::from_wire(body.fork.as_ref())?;
        if let Some(fork) = fork
            && (body.height > 0 || fork.incarnation >= body.incarnation)
        {
            return Err(malformed("it forks from where no journal can".to_owned()));
        }
        if body.hold > body.height {
            return Err(malformed("it refers to a hold in a later block".to_owned()));
        }
        let last = body.height.checked_sub(1);
        let checkpoint = body.checkpoint.map(|it| Checkpoint::from_wire(it, last));
        Ok(Self {
            signed,
            peer: PublicKey::from_slice(&body.peer)?,
            incarnation: body.incarnation,
            height: body.height,
            previous: Id::from_slice(&body.previous)?,
            time_ms: body.time_ms,
            items_root: Id::from_slice(&body.items_root)?,
            item_count: body.item_count,
            fork,
            checkpoint: checkpoint.transpose()?.map(Box::new),
            hold: body.hold,
        })
    }

    /// Verifies the signature of the peer that the header names.
    ///
    /// # Errors
    /// [`HeaderError::Signed`] if it is forged.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), HeaderError> {
        Ok(self.signed.verify(&self.peer, verifier)?)
    }

    /// The same header with a copy of its bytes; see [`Signed::detached`].
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            signed: self.signed.detached(),
            ..self.clone()
        }
    }

    /// The block's hash.
    #[must_use]
    pub const fn hash(&self) -> Id {
        self.signed.id()
    }

    /// This block as a head.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            incarnation: self.incarnation,
            height: self.height,
            hash: self.signed.id(),
        }
    }

    /// The object as received.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }
}
