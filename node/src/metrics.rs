//! The metrics of a peer.

use kittengrad_node_core::{Event, Status};
use kittengrad_service::metrics::JournalMetrics;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// Counters, gauges and histograms of one peer, in the registry of its process.
#[derive(Debug, Clone)]
pub(crate) struct PeerMetrics {
    /// Its journal and its commits.
    pub(crate) journal: JournalMetrics,
    /// Links to partners that are up.
    links: Gauge,
    /// Links closed because the partner read too slowly.
    overflows: Counter,
    /// Links closed because of malformed bytes.
    malformed: Counter,
    /// Partners that broke the rules of the protocol.
    misbehaviour: Counter,
    /// Transactions that partners list and this peer lacks.
    missing: Gauge,
    /// Submissions that wait for their quorum.
    waiting: Gauge,
    /// 1 if the peer is settled: it has everything that its arc ever had.
    settled: Gauge,
}

impl PeerMetrics {
    /// Makes the metrics and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            journal: JournalMetrics::register(registry),
            links: Gauge::default(),
            overflows: Counter::default(),
            malformed: Counter::default(),
            misbehaviour: Counter::default(),
            missing: Gauge::default(),
            waiting: Gauge::default(),
            settled: Gauge::default(),
        };
        registry.register(
            "links",
            "Links to partners that are up",
            metrics.links.clone(),
        );
        registry.register(
            "links_overflowed",
            "Links closed because the partner read too slowly",
            metrics.overflows.clone(),
        );
        registry.register(
            "links_malformed",
            "Links closed after malformed bytes",
            metrics.malformed.clone(),
        );
        registry.register(
            "misbehaviour",
            "Rules broken by partners",
            metrics.misbehaviour.clone(),
        );
        registry.register(
            "missing_transactions",
            "Transactions still to be fetched",
            metrics.missing.clone(),
        );
        registry.register(
            "waiting_submissions",
            "Submissions that wait for their quorum",
            metrics.waiting.clone(),
        );
        registry.register(
            "settled",
            "1 if the peer has everything that its arc ever had",
            metrics.settled.clone(),
        );
        metrics
    }

    pub(crate) fn link(&self, is_up: bool) {
        if is_up {
            self.links.inc()
        } else {
            self.links.dec()
        };
    }

    pub(crate) fn link_overflowed(&self) {
        self.overflows.inc();
    }

    pub(crate) fn malformed(&self) {
        self.malformed.inc();
    }

    pub(crate) fn event(&self, event: &Event) {
        if let Event::Misbehaved { .. } | Event::Invalid { .. } = event {
            self.misbehaviour.inc();
        }
    }

    pub(crate) fn status(&self, status: &Status) {
        self.missing
            .set(i64::try_from(status.missing).unwrap_or(i64::MAX));
        self.waiting
            .set(i64::try_from(status.waiting).unwrap_or(i64::MAX));
        let height = status.tip.map_or(0, |tip| tip.head.height);
        self.journal.height.set(height);
        self.settled.set(i64::from(status.is_settled));
    }
}
