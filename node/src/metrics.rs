//! What a peer counts.

use std::{sync::atomic::AtomicU64, time::Duration};

use kittengrad_journal::Write;
use kittengrad_node_core::{Event, Status};
use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Counters, gauges and histograms of one peer, in the registry of its process.
#[derive(Debug, Clone)]
pub(crate) struct PeerMetrics {
    /// Synced commits.
    commits: Counter,
    /// How long a synced commit takes, in seconds.
    commit_seconds: Histogram,
    /// Blocks of the own journal.
    blocks: Counter,
    /// Elements added to the set.
    elements: Counter,
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
    /// Height of the last block.
    height: Gauge<u64, AtomicU64>,
    /// 1 once everything that the arc ever had is here.
    settled: Gauge,
}

impl PeerMetrics {
    /// Makes the metrics and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            commits: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            blocks: Counter::default(),
            elements: Counter::default(),
            links: Gauge::default(),
            overflows: Counter::default(),
            malformed: Counter::default(),
            misbehaviour: Counter::default(),
            missing: Gauge::default(),
            waiting: Gauge::default(),
            height: Gauge::default(),
            settled: Gauge::default(),
        };
        registry.register("commits", "Synced commits", metrics.commits.clone());
        registry.register(
            "commit_seconds",
            "Time of a synced commit",
            metrics.commit_seconds.clone(),
        );
        registry.register("journal_blocks", "Blocks cut", metrics.blocks.clone());
        registry.register(
            "set_elements_added",
            "Elements added to the set",
            metrics.elements.clone(),
        );
        registry.register(
            "links",
            "Links to partners that are up",
            metrics.links.clone(),
        );
        registry.register(
            "links_overflowed",
            "Links closed as too slow",
            metrics.overflows.clone(),
        );
        registry.register(
            "links_malformed",
            "Links closed after malformed bytes",
            metrics.malformed.clone(),
        );
        registry.register(
            "misbehaviour",
            "Times that partners broke the rules",
            metrics.misbehaviour.clone(),
        );
        registry.register(
            "missing_transactions",
            "Transactions still to be fetched",
            metrics.missing.clone(),
        );
        registry.register(
            "waiting_submissions",
            "Submissions without quorum yet",
            metrics.waiting.clone(),
        );
        registry.register(
            "journal_height",
            "Height of the last block",
            metrics.height.clone(),
        );
        registry.register(
            "settled",
            "1 once the arc is complete",
            metrics.settled.clone(),
        );
        metrics
    }

    pub(crate) fn commit(&self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Block(_) => drop(self.blocks.inc()),
                Write::Element(..) => drop(self.elements.inc()),
                _ => {}
            }
        }
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commits.inc();
        self.commit_seconds.observe(took.as_secs_f64());
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
        self.height.set(status.tip.map_or(0, |tip| tip.head.height));
        self.settled.set(i64::from(status.is_settled));
    }
}
