//! Blocks on their way to a follower.

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
    /// The blocks, ascending.
    pub blocks: Vec<Block>,
    /// The sender's head.
    pub head: Option<Head>,
}

impl Frames {
    pub(super) fn to_wire(&self) -> wire::Frames {
        let blocks = self.blocks.iter().map(|block| wire::Block {
            header: Some(block.header.signed().to_wire()),
            items: block.items.clone(),
            through: block.through.to_wire(),
        });
        wire::Frames {
            blocks: blocks.collect(),
            head: self.head.as_ref().map(Head::to_wire),
        }
    }

    pub(super) fn from_wire(wire: wire::Frames, overlay: &Overlay) -> Result<Self, LinkError> {
        at_most("blocks", wire.blocks.len(), GET_BLOCKS_MAX as usize)?;
        let blocks = wire.blocks.into_iter();
        let blocks = blocks.map(|it| Block::from_wire(it.header, it.items, it.through, overlay));
        Ok(Self {
            blocks: blocks.collect::<Result<_, _>>()?,
            head: Head::from_wire(wire.head.as_ref())?,
        })
    }
}
