//! The ring, asked for at most every two seconds.

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
    /// Asks every member.
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

/// Asks a [`RingReader`] at most every two seconds, however many look.
pub struct RingCache {
    reader: Box<dyn RingReader>,
    /// Held while asking, so that all who look at the same time share one answer.
    last: Mutex<Option<(Instant, Arc<RingReport>)>>,
}

impl std::fmt::Debug for RingCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingCache").finish_non_exhaustive()
    }
}

impl RingCache {
    /// Asks `reader`.
    #[must_use]
    pub fn new(reader: impl RingReader + 'static) -> Self {
        Self {
            reader: Box::new(reader),
            last: Mutex::default(),
        }
    }

    /// The ring as it was at most two seconds ago.
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
