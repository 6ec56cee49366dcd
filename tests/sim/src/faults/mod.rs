//! Faults: which there are, how each seed draws some of them, and what they do.

mod director;
mod disks;
mod kind;
mod places;
mod strike;

pub use director::{Director, Trouble};
pub use kind::Kind;

use crate::host::Node;

/// A disk that is going to lose something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) member: usize,
    pub(crate) kind: Kind,
    /// It is given up then.
    pub(crate) until_us: u64,
    /// It has happened: its peer has to open its journal again.
    pub(crate) is_done: bool,
}

/// What ends when a fault passes.
#[derive(Debug, Clone)]
pub(crate) enum Relief {
    /// Nothing stands between some processes any more.
    Unblock(Vec<(Node, Node)>),
    /// A process is as fast as before.
    Speed(Node),
    /// A disk is as fast as before.
    DiskSpeed(Node),
    /// There is room on a disk again.
    Space(Node),
    /// Commits succeed again.
    Commits(Node),
    /// Messages are as fast as before.
    Delay,
    /// Messages come once, and in their order, as before.
    Order,
    /// A disk is lost, now that everybody who must have seen it has.
    Loss(Loss),
}
