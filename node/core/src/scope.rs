//! The read-only surroundings that every handler gets.

use kittengrad_journal::Store;
use kittengrad_overlay::{change::Change, view::View};
use kittengrad_plants::{Plant, Plants};
use kittengrad_proto::id::PublicKey;

use crate::{config::PeerConfig, io::Now};

/// The surroundings of one input: time, disk, ring and configuration.
///
/// A handler borrows them besides the few parts of the peer that it may change.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) now: Now,
    pub(crate) store: &'a dyn Store,
    pub(crate) change: &'a Change,
    pub(crate) config: &'a PeerConfig,
    pub(crate) plants: Plants,
}

impl<'a> Scope<'a> {
    /// The newest view of the ring.
    pub(crate) fn view(&self) -> &'a View {
        self.change.newest()
    }

    /// This peer's key.
    pub(crate) const fn me(&self) -> PublicKey {
        self.config.identity.key
    }

    /// Whether the simulator planted this bug. Always false outside the simulator.
    pub(crate) const fn has(&self, plant: Plant) -> bool {
        self.plants.has(plant)
    }
}
