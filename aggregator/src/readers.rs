//! Notices from the driver to the followers of the sources.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_proto::id::PublicKey;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Notices of the core for the follower of one source.
#[derive(Default)]
pub(crate) struct Reader {
    /// The source sent data that does not verify. The subscription ends.
    pub(crate) lies: Notify,
    /// The source must be read again, from the core's position.
    pub(crate) is_behind: Notify,
    /// The source must be read in another mode, from the core's position.
    pub(crate) is_switched: Notify,
}

/// The notices of all sources. Clones share one map. Its lock is held briefly, by the driver and by a starting
/// follower.
#[derive(Clone, Default)]
pub(crate) struct Readers(Arc<Mutex<BTreeMap<PublicKey, Arc<Reader>>>>);

impl Readers {
    /// Returns the notices for the follower of this source.
    pub(crate) fn of(&self, source: PublicKey) -> Arc<Reader> {
        Arc::clone(self.0.lock().entry(source).or_default())
    }
}
