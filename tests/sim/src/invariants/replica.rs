//! A peer and its disk, whoever keeps it: one in memory, or one of a real process that was stopped.

use kittengrad_journal::Store;
use kittengrad_overlay::view::View;
use kittengrad_proto::id::PublicKey;

/// A peer of the ring, with what is on its disk.
#[derive(Clone, Copy)]
pub struct Replica<'a> {
    /// The ring as it sees it: it is a member of it.
    pub view: &'a View,
    /// What it keeps.
    pub disk: &'a dyn Store,
}

impl Replica<'_> {
    /// Its key.
    pub(crate) fn owner(&self) -> PublicKey {
        self.view.me().expect("a replica is a member of the ring")
    }
}
