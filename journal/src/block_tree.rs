//! The tree over the hashes of all blocks of a journal, along its forks. It proves an old block against a new
//! checkpoint with a logarithmic number of hashes.
//!
//! ```text
//! node(level, index)  root of the 2^level blocks from number index · 2^level on     0x04 ‖ level (1) ‖ index (8) → hash
//! base(incarnation)   number of blocks before the first one of the incarnation      0x05 ‖ incarnation (8) → number (8)
//! ```
//! Only full nodes are kept: about two for each block. Numbers count blocks from the first incarnation on, along the
//! forks. A new incarnation writes again the nodes of blocks that it does not continue from, before it needs them.
//!
//! # Source
//! RFC 9162, sections 2.1.1 (tree head) and 2.1.3 (inclusion proofs).

use bytes::Bytes;
use kittengrad_proto::{
    block::Head,
    id::Id,
    merkle::{leaf, node},
};

use crate::store::{StateStore, StoreError, Write};

const NODE: u8 = 4;
const BASE: u8 = 5;

/// The right edge of the tree: enough to append a block and to compute the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockTree {
    count: u64,
    /// The roots of the full subtrees, largest first: one for each bit that is set in `count`.
    peaks: Vec<Id>,
}

impl BlockTree {
    /// Reads the tree over all blocks up to `head`, which is on disk.
    ///
    /// # Errors
    /// If the store does not answer, or a node is missing or malformed.
    pub fn up_to(head: Head, store: &(impl StateStore + ?Sized)) -> Result<Self, StoreError> {
        let count = base(head.incarnation, store)? + head.height + 1;
        Ok(Self {
            count,
            peaks: peaks(0, count)
                .map(|(level, index)| stored(level, index, store))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The number of blocks.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The tree head.
    #[must_use]
    pub fn root(&self) -> Id {
        let root = self.peaks.iter().rev().copied();
        root.reduce(|right, left| node(&left, &right))
            .unwrap_or_else(|| Id::of(&[]))
    }

    /// Appends a block, and adds the writes of the nodes that are full now.
    pub(crate) fn append(&mut self, hash: Id, writes: &mut Vec<Write>) {
        let mut full = leaf(hash.as_bytes());
        writes.push(keep(0, self.count, full));
        // Each bit that the new number carries over joins two full subtrees of one size.
        for level in 1..=self.count.trailing_ones() {
            let left = self.peaks.pop().unwrap_or(Id::ZERO);
            full = node(&left, &full);
            writes.push(keep(level, self.count >> level, full));
        }
        self.peaks.push(full);
        self.count += 1;
    }
}

/// Writes the number of blocks before the first one of an incarnation.
pub(crate) fn keep_base(incarnation: u64, count: u64) -> Write {
    Write::State(
        base_key(incarnation),
        Bytes::copy_from_slice(&count.to_be_bytes()),
    )
}

/// Proves that a block is under the root of the first `count` blocks, as [`merkle::is_included`] checks. Returns its
/// number and the path from its sibling up. `None` if it is not among them.
///
/// # Errors
/// If the store does not answer, or a node is missing or malformed.
///
/// [`merkle::is_included`]: kittengrad_proto::merkle::is_included
pub fn prove_block(
    (incarnation, height): (u64, u64),
    count: u64,
    store: &(impl StateStore + ?Sized),
) -> Result<Option<(u64, Vec<Id>)>, StoreError> {
    let number = base(incarnation, store)? + height;
    if number >= count {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut from, mut blocks) = (0, count);
    while blocks > 1 {
        let left = 1 << (blocks - 1).ilog2();
        if number < from + left {
            path.push(root_of(from + left, blocks - left, store)?);
            blocks = left;
        } else {
            path.push(root_of(from, left, store)?);
            (from, blocks) = (from + left, blocks - left);
        }
    }
    path.reverse();
    Ok(Some((number, path)))
}

/// The root of `blocks` blocks from number `from` on, which is a multiple of the largest power of two in `blocks`.
fn root_of(from: u64, blocks: u64, store: &(impl StateStore + ?Sized)) -> Result<Id, StoreError> {
    let mut parts = Vec::new();
    for (level, index) in peaks(from, blocks) {
        parts.push(stored(level, index, store)?);
    }
    let root = parts.into_iter().rev();
    let root = root.reduce(|right, left| node(&left, &right));
    Ok(root.unwrap_or_else(|| Id::of(&[])))
}

/// The full subtrees of `blocks` blocks from number `from` on, largest first, as level and index.
fn peaks(from: u64, blocks: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut at = from;
    let levels = (0..u64::BITS).rev();
    levels
        .filter(move |level| blocks >> level & 1 == 1)
        .map(move |level| {
            let index = at >> level;
            at += 1 << level;
            (level, index)
        })
}

fn base(incarnation: u64, store: &(impl StateStore + ?Sized)) -> Result<u64, StoreError> {
    let value = store.state(&base_key(incarnation))?;
    let number = value.and_then(|value| <[u8; 8]>::try_from(&value[..]).ok());
    number.map(u64::from_be_bytes).ok_or_else(|| {
        StoreError::Damaged(format!(
            "the number of blocks before incarnation {incarnation} is missing or unreadable"
        ))
    })
}

fn base_key(incarnation: u64) -> Bytes {
    [&[BASE], &incarnation.to_be_bytes()[..]].concat().into()
}

fn node_key(level: u32, index: u64) -> Bytes {
    let level = u8::try_from(level).expect("a level is below 64");
    [&[NODE, level], &index.to_be_bytes()[..]].concat().into()
}

fn keep(level: u32, index: u64, hash: Id) -> Write {
    Write::State(
        node_key(level, index),
        Bytes::copy_from_slice(hash.as_bytes()),
    )
}

fn stored(level: u32, index: u64, store: &(impl StateStore + ?Sized)) -> Result<Id, StoreError> {
    let value = store.state(&node_key(level, index))?;
    let hash = value.and_then(|value| Id::from_slice(&value).ok());
    hash.ok_or_else(|| {
        StoreError::Damaged(format!(
            "node {index} at level {level} of the tree over the blocks is missing or unreadable"
        ))
    })
}
