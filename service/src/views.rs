//! The newest view of the ring, read again for each decision.

use std::sync::Arc;

use kittengrad_overlay::view::View;
use tokio::sync::watch;

/// The receiving end of the channel in which a process publishes its newest [`View`].
///
/// Keep a view for one decision or one call at most: members come, go and move.
#[derive(Debug, Clone)]
pub struct Views(watch::Receiver<Arc<View>>);

impl Views {
    /// Reads views from `channel`.
    #[must_use]
    pub const fn new(channel: watch::Receiver<Arc<View>>) -> Self {
        Self(channel)
    }

    /// The newest view.
    #[must_use]
    pub fn now(&self) -> Arc<View> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits for a view that was not seen here yet. Waits for ever once the sender is dropped.
    pub async fn changed(&mut self) -> Arc<View> {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.0.borrow_and_update())
    }

    /// The newest view, if it was not seen here yet.
    pub fn newer(&mut self) -> Option<Arc<View>> {
        // The sender may be dropped when the process ends: the last view stays.
        let is_newer = self.0.has_changed().unwrap_or(false);
        is_newer.then(|| Arc::clone(&self.0.borrow_and_update()))
    }
}
