//! A disk that is going to forget something, and who can say what.

use super::kind::Kind;

/// Who can say what a disk forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// Everybody who reads its journal, at once.
    Everybody,
    /// One alone saw the last blocks, and is reached later than the others.
    Late(usize),
    /// Everybody who reads its journal, but nobody within the suspicion time.
    Absent,
    /// Those who are killed at the same moment: they know what they kept.
    Restarted,
}

/// A disk that is going to forget something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(super) member: usize,
    pub(super) kind: Kind,
    pub(super) witness: Witness,
    pub(super) stage: Stage,
    /// It is given up then.
    pub(super) until_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Everybody is to be there.
    Gathers,
    /// The only witness is to see more than the others.
    IsSeen,
    /// It has happened: the peer is to open its journal again.
    Opens,
}
