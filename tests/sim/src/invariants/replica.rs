//! A peer and its disk, whoever keeps it: one in memory, or one of a real process that was stopped.

use kittengrad_journal::Store;
use kittengrad_node_core::Membership;

/// A peer of the ring, with what is on its disk.
#[derive(Clone, Copy)]
pub struct Replica<'a> {
    /// Its place in the ring.
    pub membership: &'a Membership,
    /// What it keeps.
    pub disk: &'a dyn Store,
}
