//! The ring: a report of all members, read at most every two seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use kittengrad_client::{Client, status::ring_report};
use kittengrad_client_core::view::ring::RingReport;
use tokio::sync::Mutex;

/// A source of [`RingReport`]s.
pub trait RingReader: Send + Sync {
    /// Asks every member for its state.
    fn read(&self) -> BoxFuture<'_, RingReport>;
}

impl RingReader for Client {
    fn read(&self) -> BoxFuture<'_, RingReport> {
        Box::pin(async {
            let reports = self.reports().await;
            ring_report(&self.view(), &reports)
        })
    }
}

/// Asks a [`RingReader`] at most every two seconds, for any number of callers.
pub struct RingCache {
    reader: Box<dyn RingReader>,
    /// Locked while the reader is asked, so that all callers at the same time share one answer.
    last: Mutex<Option<(Instant, Arc<RingReport>)>>,
}

impl std::fmt::Debug for RingCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingCache").finish_non_exhaustive()
    }
}

impl RingCache {
    /// Makes a cache in front of `reader`.
    #[must_use]
    pub fn new(reader: impl RingReader + 'static) -> Self {
        Self {
            reader: Box::new(reader),
            last: Mutex::default(),
        }
    }

    /// Returns a report that is at most two seconds old.
    pub async fn read(&self) -> Arc<RingReport> {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(report);
        }
        let report = Arc::new(self.reader.read().await);
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

const FRESH: Duration = Duration::from_secs(2);
