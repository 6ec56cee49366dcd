//! The lies of a peer.

use crate::publisher::Publication;

/// A lie to the readers of a journal.
#[derive(Debug, Clone)]
pub enum Lie {
    /// Says that its set contains the journals of all others up to their heads, in all cells.
    AllHeads,
    /// Says that its set contains journals up to blocks that do not exist, at the heights of their heads.
    NoBlocks,
    /// Says that its set contains journals up to blocks that do not exist yet.
    LaterBlocks,
    /// Signs another head of the same height in each answer to a question.
    SecondHead,
    /// Lists a transaction in the next block that it sends, although it holds none of its elements.
    Unheld(Box<Publication>),
}
