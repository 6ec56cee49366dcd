//! Those who read the sources, as the driver reaches them.

use std::{collections::BTreeMap, sync::Arc};

use kittengrad_proto::id::PublicKey;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Notices of the core for one reader.
#[derive(Default)]
pub(crate) struct Reader {
    /// It lies.
    pub(crate) lies: Notify,
    /// It is to be read again from where the core is now.
    pub(crate) is_behind: Notify,
}

/// Those who read the sources. Clones are the same; held briefly, by the driver and by whoever begins to read.
#[derive(Clone, Default)]
pub(crate) struct Readers(Arc<Mutex<BTreeMap<PublicKey, Arc<Reader>>>>);

impl Readers {
    /// Whoever reads this source.
    pub(crate) fn of(&self, source: PublicKey) -> Arc<Reader> {
        Arc::clone(self.0.lock().entry(source).or_default())
    }
}
