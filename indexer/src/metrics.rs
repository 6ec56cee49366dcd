//! Metrics of an indexer, in a registry of its own: several indexers in one process share no counter.

use std::sync::atomic::AtomicU64;

use kittengrad_service::metrics::CommitMetrics;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Counters, gauges and histograms of an indexer.
#[derive(Debug, Clone)]
pub struct IndexerMetrics {
    /// Blocks processed.
    pub blocks: Counter<u64, AtomicU64>,
    /// Commits and their elements.
    pub commit: CommitMetrics,
    /// Documents in the index.
    pub documents: Gauge,
    /// Updates and retractions in all documents.
    pub updates: Gauge,
    /// Absent records of all documents.
    pub absent: Gauge,
    /// Height of the last processed block; -1 before the first.
    pub height: Gauge,
    /// 1 while the journal is read, else 0.
    pub connected: Gauge,
    /// Searches answered.
    pub searches: Counter<u64, AtomicU64>,
    /// Durations of searches, in seconds.
    pub search_seconds: Histogram,
    /// Readers of the feed.
    pub feed_readers: Gauge,
    /// Readers of the feed that were dropped because they were slow.
    pub feed_dropped: Counter<u64, AtomicU64>,
}

impl IndexerMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            blocks: Counter::default(),
            commit: CommitMetrics::register(registry),
            documents: Gauge::default(),
            updates: Gauge::default(),
            absent: Gauge::default(),
            height: Gauge::default(),
            connected: Gauge::default(),
            searches: Counter::default(),
            search_seconds: Histogram::new(SECONDS),
            feed_readers: Gauge::default(),
            feed_dropped: Counter::default(),
        };
        let of = registry.sub_registry_with_prefix("indexer");
        of.register(
            "blocks",
            "Blocks of the journal that were processed",
            metrics.blocks.clone(),
        );
        of.register(
            "documents",
            "Documents in the index",
            metrics.documents.clone(),
        );
        of.register(
            "updates",
            "Updates and retractions in all documents",
            metrics.updates.clone(),
        );
        of.register(
            "absent_records",
            "Absent records of all documents",
            metrics.absent.clone(),
        );
        of.register(
            "cursor_height",
            "Height of the last processed block, -1 before the first",
            metrics.height.clone(),
        );
        of.register(
            "source_connected",
            "1 while the journal is read, else 0",
            metrics.connected.clone(),
        );
        of.register("searches", "Searches answered", metrics.searches.clone());
        let search_seconds = metrics.search_seconds.clone();
        of.register_with_unit(
            "search_duration",
            "Durations of searches",
            Unit::Seconds,
            search_seconds,
        );
        of.register(
            "feed_readers",
            "Readers of the feed",
            metrics.feed_readers.clone(),
        );
        let dropped = metrics.feed_dropped.clone();
        of.register(
            "feed_dropped",
            "Readers of the feed that were dropped because they were slow",
            dropped,
        );
        metrics
    }
}

/// Upper bounds of the buckets, in seconds.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];
