//! The lies of a peer.

use crate::publisher::Publication;

/// A lie to the readers of a journal.
#[derive(Debug, Clone)]
pub enum Lie {
    /// Signs another head of the same height in each answer to a question.
    SecondHead,
    /// Lists a transaction in the next block that it sends, although it holds none of its elements.
    Unheld(Box<Publication>),
}
