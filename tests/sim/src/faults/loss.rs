//! A planned loss: a disk that will forget data, and the witnesses of that data.

use super::kind::Kind;

/// The partners that can tell what a disk forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// All readers of its journal, at once.
    Everybody,
    /// One partner that alone saw the last blocks, and is reached later than the others.
    Late(usize),
    /// All readers of its journal, but none within the suspicion time.
    Absent,
    /// Partners that are killed at the same moment. They know what they stored.
    Restarted,
}

/// A disk that will forget data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(super) member: usize,
    pub(super) kind: Kind,
    pub(super) witness: Witness,
    pub(super) stage: Stage,
    /// The loss is given up at this time.
    pub(super) until_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// All partners must be up and connected.
    Gathers,
    /// The only witness must see more than the others.
    IsSeen,
    /// The disk has forgotten. The peer must open its journal again.
    Opens,
}
