//! Checkpoints: the signed state of a journal at a height. It is part of a header or of a heartbeat.
//!
//! ```text
//! checkpoint = { height, ring, holds, blocks, blocks_root, through_root }
//! beside it  = the list `through`, whose RFC 9162 tree head is through_root
//! ```
//! A header signs the state before its own block, because `blocks_root` cannot contain the header's own hash. A
//! heartbeat signs the state up to its head. Rfd 11 says why the list is not signed itself.

mod arcs;
mod holdings;
mod through;

use bytes::Bytes;
use thiserror::Error;

pub use self::{
    holdings::Holdings,
    through::{Through, ThroughList},
};
use crate::{
    id::{Id, IdError, PublicKey},
    limits::{HOLD_ARCS_MAX, RING_MEMBERS_MAX, THROUGH_BYTES_MAX},
    weight::Part,
    wire,
};

/// Parts of which a checkpoint may have many.
pub(crate) const PARTS: &[Part] = &[Part::new::<wire::Holding>(4, &[])];

/// The rule that a checkpoint, or the list beside it, breaks. Nothing changed. A signed checkpoint that breaks a rule is
/// evidence against its signer, and so are entries of the list under its root. A list with another root or too many
/// bytes says nothing of the signer, because only the root is signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// A name has a wrong length.
    #[error("checkpoint: {0}")]
    Id(#[from] IdError),
    /// It describes blocks that its header or head does not have before it.
    #[error("checkpoint describes block {height}; {}", last_of(*last))]
    Above {
        /// The height in the checkpoint.
        height: u64,
        /// The last height that it may have. `None` in the header of a first block, which can have no checkpoint.
        last: Option<u64>,
    },
    /// Its height is below that of an earlier one.
    #[error("checkpoint describes block {height}; an earlier one described block {before}")]
    WentBack {
        /// The height in the checkpoint.
        height: u64,
        /// The height in the earlier one of the same incarnation.
        before: u64,
    },
    /// It counts fewer blocks than its height has.
    #[error("checkpoint of block {height} counts {blocks} blocks")]
    Blocks {
        /// The height in the checkpoint.
        height: u64,
        /// The number of blocks in it.
        blocks: u64,
    },
    /// It has a field for which no rule exists yet.
    #[error("checkpoint has a summary of the set, which is reserved")]
    Reserved,
    /// It has more arcs than an owner may hold.
    #[error("checkpoint has {0} arcs, at most {HOLD_ARCS_MAX} are allowed")]
    TooManyArcs(usize),
    /// An arc is missing or malformed.
    #[error("checkpoint has a malformed arc: {0}")]
    Arc(String),
    /// The held arcs do not ascend, overlap, or have neighbours of one state; or the whole circle is not (0, 0].
    #[error("the arcs of a checkpoint do not ascend, overlap, or are not merged")]
    ArcOrder,
    /// The held or settled arcs are not those that the journal's items say.
    #[error("checkpoint of block {0} has other arcs than the journal up to there")]
    OtherArcs(u64),
    /// The list beside it has another root, or there is a list without a checkpoint.
    #[error("the list of positions does not match the root in its checkpoint")]
    ThroughRoot,
    /// The list beside it has too many entries or bytes.
    #[error(
        "the list of positions has {entries} entries and {bytes} bytes; at most {RING_MEMBERS_MAX} and \
         {THROUGH_BYTES_MAX} are allowed"
    )]
    ThroughSize {
        /// The number of entries.
        entries: usize,
        /// Bytes of all entries.
        bytes: usize,
    },
    /// An entry of the list is not a position, or not in its one encoding.
    #[error("position {entry} of a checkpoint is malformed: {why}")]
    Entry {
        /// Number of the entry, from 0.
        entry: usize,
        /// The reason.
        why: String,
    },
    /// The entries do not ascend by key, or one names the signer itself.
    #[error(
        "position {entry} of a checkpoint is of {peer:?}: out of order, repeated, or the signer"
    )]
    EntryOrder {
        /// Number of the entry, from 0.
        entry: usize,
        /// The journal's owner in it.
        peer: PublicKey,
    },
}

/// Says which block is the last that a checkpoint may describe.
fn last_of(last: Option<u64>) -> String {
    match last {
        Some(last) => format!("it may describe blocks up to {last}"),
        None => "the first block cannot have one".to_owned(),
    }
}

/// The state of a journal at a height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Height of the last block that it describes.
    pub height: u64,
    /// Id of the ring that the owner knew.
    pub ring: Id,
    /// The arcs that the owner held.
    pub holds: Holdings,
    /// Number of blocks under `blocks_root`, with those of earlier incarnations up to the forks.
    pub blocks: u64,
    /// Tree head over the hashes of these blocks.
    pub blocks_root: Id,
    /// Tree head over the list of positions in other journals.
    pub through_root: Id,
}

impl Checkpoint {
    /// Converts to the wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Checkpoint {
        let bytes = |id: &Id| Bytes::copy_from_slice(id.as_bytes());
        wire::Checkpoint {
            height: self.height,
            ring: bytes(&self.ring),
            set: None,
            holds: self.holds.to_wire(),
            blocks: self.blocks,
            blocks_root: bytes(&self.blocks_root),
            through_root: bytes(&self.through_root),
        }
    }

    /// Reads the wire form. `last` is the last height that it may describe.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn from_wire(wire: wire::Checkpoint, last: Option<u64>) -> Result<Self, CheckpointError> {
        let height = wire.height;
        if last.is_none_or(|last| height > last) {
            return Err(CheckpointError::Above { height, last });
        }
        if wire.blocks <= height {
            let blocks = wire.blocks;
            return Err(CheckpointError::Blocks { height, blocks });
        }
        if wire.set.is_some() {
            return Err(CheckpointError::Reserved);
        }
        Ok(Self {
            height,
            ring: Id::from_slice(&wire.ring)?,
            holds: Holdings::from_wire(&wire.holds)?,
            blocks: wire.blocks,
            blocks_root: Id::from_slice(&wire.blocks_root)?,
            through_root: Id::from_slice(&wire.through_root)?,
        })
    }
}

/// A checkpoint to sign, with the list that travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The incarnation of the journal that it describes.
    pub incarnation: u64,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The positions whose root it has.
    pub through: ThroughList,
}

/// Reads the list that travels beside a header or heartbeat of `signer`.
///
/// # Errors
/// If it has another root than `checkpoint`, or an entry breaks a rule. Without a checkpoint the list is empty.
pub fn beside(
    checkpoint: Option<&Checkpoint>,
    entries: Vec<Bytes>,
    signer: PublicKey,
) -> Result<ThroughList, CheckpointError> {
    match checkpoint {
        None if entries.is_empty() => Ok(ThroughList::default()),
        None => Err(CheckpointError::ThroughRoot),
        Some(checkpoint) => {
            through::check_size(&entries)?;
            // The root first: errors of entries that it does not sign would be evidence against the wrong peer.
            match through::root_of(&entries) == checkpoint.through_root {
                true => ThroughList::from_wire(entries, signer),
                false => Err(CheckpointError::ThroughRoot),
            }
        }
    }
}
