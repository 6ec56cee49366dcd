//! Faults: which there are, how each seed draws some of them, and what they do.

mod director;
mod disks;
mod forget;
mod kind;
mod loss;
mod places;
mod strike;
mod trouble;

pub use kind::Kind;
pub use trouble::{Director, Trouble};

use crate::host::Node;
use loss::Loss;

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
    /// A disk is lost, and its peer is reached again.
    Wipe {
        member: usize,
        pairs: Vec<(Node, Node)>,
    },
    /// A disk is going to forget something, once everybody who must have seen it has.
    Loss(Loss),
}
