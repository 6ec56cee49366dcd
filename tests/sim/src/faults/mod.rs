//! Faults: their kinds, the draw of a seed, and their effects.

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

/// The end of a fault's effect.
#[derive(Debug, Clone)]
pub(crate) enum Relief {
    /// Unblocks the way between some processes.
    Unblock(Vec<(Node, Node)>),
    /// Restores the speed of a process.
    Speed(Node),
    /// Restores the speed of a disk.
    DiskSpeed(Node),
    /// Frees space on a disk.
    Space(Node),
    /// Lets commits succeed again.
    Commits(Node),
    /// Restores the delay of messages.
    Delay,
    /// Ends duplicates and reordering of messages.
    Order,
    /// Wipes a disk, and unblocks the way to its peer.
    Wipe {
        member: usize,
        pairs: Vec<(Node, Node)>,
    },
    /// Lets a disk forget data, once all witnesses have seen it.
    Loss(Loss),
}
