//! Evidence: proof that a journal's owner broke a rule, by bytes that it signed. Anybody can check it offline, and it does
//! not count who shows it (rfd 13).
//!
//! | kind | the owner signed |
//! | --- | --- |
//! | [`Evidence::Heads`] | two blocks for one height |
//! | [`Evidence::Item`] | an item that its last `hold`, or the transaction of the item, refutes |
//! | [`Evidence::Checkpoint`] | a checkpoint that breaks a rule |

mod checkpoint;
mod item;

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

pub use self::{checkpoint::RefutedCheckpoint, item::RefutedItem};
use crate::{
    block::{CellsError, HeaderError, ItemError},
    checkpoint::CheckpointError,
    id::{Id, PublicKey},
    identity::IdentityError,
    limits::EVIDENCE_BYTES_MAX,
    namespace::Overlay,
    receipt::ReceiptError,
    signed::{SignedError, Verifier},
    signed_head::SignedHead,
    weight::{self, Part},
    wire::{self, evidence::Kind},
};

/// The version of evidence that this program reads and writes.
const VERSION: u32 = 1;

/// Parts of which evidence may have many.
const PARTS: &[Part] = &[Part::new::<wire::RefutedCheckpoint>(
    4,
    &[Part::new::<Bytes>(2, &[])],
)];

/// Why bytes are not evidence, or prove nothing. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// Not a protobuf message, too large, or of another version or kind.
    #[error("evidence is malformed: {0}")]
    Malformed(String),
    /// A header in it is wrong.
    #[error("evidence: {0}")]
    Header(#[from] HeaderError),
    /// A heartbeat in it is wrong.
    #[error("evidence: {0}")]
    Heartbeat(#[from] IdentityError),
    /// The proof of an item is malformed.
    #[error("evidence: {0}")]
    Proof(#[from] ReceiptError),
    /// A part is not signed by the accused.
    #[error("evidence: {0}")]
    Signed(#[from] SignedError),
    /// All parts are genuine, and break no rule together.
    #[error("evidence shows no broken rule: {0}")]
    Innocent(&'static str),
}

/// The rule that the accused broke.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rule {
    /// One block for each height.
    #[error("two blocks are signed for height {height} of incarnation {incarnation}")]
    TwoHeads {
        /// The incarnation.
        incarnation: u64,
        /// The height.
        height: u64,
    },
    /// An item in its place.
    #[error("block {height}, item {item}: {error}")]
    Item {
        /// Height of the block.
        height: u64,
        /// Number of the item, from 0.
        item: u32,
        /// The broken rule.
        error: ItemError,
    },
    /// The first block of an incarnation begins with a `hold`.
    #[error("the first block of incarnation {0} does not begin with a hold")]
    NoHold(u64),
    /// An item against its transaction.
    #[error("block {height}, transaction {id}: {error}")]
    Cells {
        /// Height of the block.
        height: u64,
        /// The transaction.
        id: Id,
        /// The broken rule.
        error: CellsError,
    },
    /// A checkpoint, or the list beside it.
    #[error("{0}")]
    Checkpoint(CheckpointError),
}

/// Proof that a journal's owner broke a rule. It proves nothing until [`Evidence::check`] returns the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Two heads of one owner, incarnation and height.
    Heads(SignedHead, SignedHead),
    /// An item that breaks a rule of its place.
    Item(Box<RefutedItem>),
    /// A checkpoint that breaks a rule.
    Checkpoint(Box<RefutedCheckpoint>),
}

impl Evidence {
    /// The owner that it accuses.
    #[must_use]
    pub fn accused(&self) -> PublicKey {
        match self {
            Self::Heads(one, _) => one.owner(),
            Self::Item(item) => item.item.header.peer,
            Self::Checkpoint(checkpoint) => checkpoint.accused(),
        }
    }

    /// Verifies every signature and proof in it, and returns the rule that the accused broke.
    ///
    /// # Errors
    /// If a part is forged or does not belong to the others, or if they break no rule.
    pub fn check(&self, verifier: &dyn Verifier) -> Result<Rule, EvidenceError> {
        match self {
            Self::Heads(one, other) => check_heads(one, other, verifier),
            Self::Item(item) => item.check(verifier),
            Self::Checkpoint(checkpoint) => checkpoint.check(verifier),
        }
    }

    /// The bytes to store and to spread.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self {
            Self::Heads(one, other) => Kind::Heads(wire::TwoHeads {
                one: Some(one.to_wire()),
                other: Some(other.to_wire()),
            }),
            Self::Item(item) => Kind::Item(item.to_wire()),
            Self::Checkpoint(checkpoint) => Kind::Checkpoint(checkpoint.to_wire()),
        };
        let (version, kind) = (VERSION, Some(kind));
        wire::Evidence { version, kind }.encode_to_vec()
    }

    /// Reads evidence without checking what it proves.
    ///
    /// # Errors
    /// For bytes that are not evidence about a member of `overlay` within the limits.
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, EvidenceError> {
        let malformed = |why: String| EvidenceError::Malformed(why);
        if bytes.len() > EVIDENCE_BYTES_MAX {
            let bytes = bytes.len();
            return Err(malformed(format!(
                "it has {bytes} bytes, at most {EVIDENCE_BYTES_MAX} are allowed"
            )));
        }
        weight::check(&bytes, PARTS).map_err(|e| malformed(e.to_string()))?;
        let wire = wire::Evidence::decode(bytes).map_err(|e| malformed(e.to_string()))?;
        if wire.version != VERSION {
            let version = wire.version;
            return Err(malformed(format!(
                "version {version}; this program knows {VERSION}"
            )));
        }
        match wire.kind {
            Some(Kind::Heads(heads)) => Ok(Self::Heads(
                head_from_wire(heads.one, overlay)?,
                head_from_wire(heads.other, overlay)?,
            )),
            Some(Kind::Item(item)) => {
                let item = RefutedItem::from_wire(item, overlay)?;
                Ok(Self::Item(Box::new(item)))
            }
            Some(Kind::Checkpoint(checkpoint)) => {
                let checkpoint = RefutedCheckpoint::from_wire(checkpoint, overlay)?;
                Ok(Self::Checkpoint(Box::new(checkpoint)))
            }
            None => Err(malformed("it has no kind".to_owned())),
        }
    }
}

fn head_from_wire(
    wire: Option<wire::SignedHead>,
    overlay: &Overlay,
) -> Result<SignedHead, EvidenceError> {
    let missing = || EvidenceError::Malformed("a head is missing".to_owned());
    Ok(SignedHead::from_wire(wire.ok_or_else(missing)?, overlay)?)
}

/// Checks that two heads name different blocks for one height of one owner.
fn check_heads(
    one: &SignedHead,
    other: &SignedHead,
    verifier: &dyn Verifier,
) -> Result<Rule, EvidenceError> {
    let owner = one.owner();
    if owner != other.owner() {
        return Err(EvidenceError::Innocent("the heads are of different owners"));
    }
    one.verify(&owner, verifier)?;
    other.verify(&owner, verifier)?;
    if !one.contradicts(other) {
        let why = "the heads do not name two blocks for one height";
        return Err(EvidenceError::Innocent(why));
    }
    let (incarnation, height) = one.head().place();
    Ok(Rule::TwoHeads {
        incarnation,
        height,
    })
}
