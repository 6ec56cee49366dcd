//! A peer and its disk: one in memory, or that of a real process that was stopped.

use kittengrad_journal::Store;
use kittengrad_overlay::view::View;
use kittengrad_proto::id::PublicKey;

/// A peer of the ring, and its disk.
#[derive(Clone, Copy)]
pub struct Replica<'a> {
    /// The ring as the peer sees it. The peer is a member of it.
    pub view: &'a View,
    /// The disk of the peer.
    pub disk: &'a dyn Store,
}

impl Replica<'_> {
    /// The key of the peer.
    pub(crate) fn owner(&self) -> PublicKey {
        self.view.me().expect("a replica is a member of the ring")
    }
}
