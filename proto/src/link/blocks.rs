//! Blocks on their way to a follower.

use bytes::Bytes;

use super::{LinkError, at_most};
use crate::{
    block::{Block, Head},
    limits::GET_BLOCKS_MAX,
    namespace::Overlay,
    wire,
};

/// Consecutive blocks of the sender's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// The blocks. Each has a hint: bit i is set if item i adds something to the receiver's arcs.
    pub blocks: Vec<(Block, Bytes)>,
    /// The sender's head.
    pub head: Option<Head>,
}

impl Frames {
    pub(super) fn to_wire(&self) -> wire::Frames {
        let blocks = self.blocks.iter().map(|(block, relevant)| wire::Block {
            header: Some(block.header.signed().to_wire()),
            items: block.items.clone(),
            relevant: relevant.clone(),
        });
        wire::Frames {
            blocks: blocks.collect(),
            head: self.head.as_ref().map(Head::to_wire),
        }
    }

    pub(super) fn from_wire(wire: wire::Frames, overlay: &Overlay) -> Result<Self, LinkError> {
        at_most("blocks", wire.blocks.len(), GET_BLOCKS_MAX as usize)?;
        let block = |wire: wire::Block| -> Result<_, LinkError> {
            at_most(
                "bytes of hint",
                wire.relevant.len(),
                wire.items.len().div_ceil(8),
            )?;
            Ok((
                Block::from_wire(wire.header, wire.items, overlay)?,
                wire.relevant,
            ))
        };
        Ok(Self {
            blocks: wire
                .blocks
                .into_iter()
                .map(block)
                .collect::<Result<_, _>>()?,
            head: Head::from_wire(wire.head.as_ref())?,
        })
    }
}
