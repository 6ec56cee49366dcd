//! The metrics of an aggregator.

use std::sync::atomic::AtomicU64;

use kittengrad_aggregator_core::{Event, Status};
use kittengrad_service::metrics::JournalMetrics;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// One series for each source.
type OfSource = Family<[(&'static str, String); 1], Gauge<u64, AtomicU64>>;

/// Counters, gauges and histograms of one aggregator, in the registry of its process.
#[derive(Debug, Clone)]
pub(crate) struct AggregatorMetrics {
    /// Its journal and its commits.
    pub(crate) journal: JournalMetrics,
    /// 1 while complete.
    complete: Gauge,
    /// 1 while fresh.
    fresh: Gauge,
    /// 1 while ready.
    ready: Gauge,
    /// Records that the set names and that are not here.
    records_absent: Gauge,
    /// Items that came without some of their records.
    without_records: Counter,
    /// Times that a source sent data that does not verify.
    lies: Counter,
    /// Blocks of each source that are in the set and on disk.
    source_height: OfSource,
    /// Blocks that each source signed, up to the newest head received.
    source_head: OfSource,
}

impl AggregatorMetrics {
    /// Makes the metrics and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            journal: JournalMetrics::register(registry),
            complete: Gauge::default(),
            fresh: Gauge::default(),
            ready: Gauge::default(),
            records_absent: Gauge::default(),
            without_records: Counter::default(),
            lies: Counter::default(),
            source_height: Family::default(),
            source_head: Family::default(),
        };
        registry.register(
            "complete",
            "1 while nothing is missing",
            metrics.complete.clone(),
        );
        registry.register(
            "fresh",
            "1 while all sources signed a head lately",
            metrics.fresh.clone(),
        );
        registry.register("ready", "1 while complete and fresh", metrics.ready.clone());
        let absent = metrics.records_absent.clone();
        registry.register(
            "records_absent",
            "Records that the set names and that are not here",
            absent,
        );
        let without_records = metrics.without_records.clone();
        registry.register(
            "items_without_records",
            "Items that came without some of their records",
            without_records,
        );
        registry.register(
            "source_lies",
            "Times that a source sent data that does not verify",
            metrics.lies.clone(),
        );
        let height = metrics.source_height.clone();
        registry.register(
            "source_blocks_read",
            "Blocks of a source that are in the set",
            height,
        );
        let head = metrics.source_head.clone();
        registry.register("source_blocks", "Blocks that a source signed", head);
        metrics
    }

    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::Lied { .. } => drop(self.lies.inc()),
            Event::WithoutRecords { .. } => drop(self.without_records.inc()),
            _ => {}
        }
    }

    pub(crate) fn view(&self, view: &Status) {
        let height = view.tip.map_or(0, |tip| tip.head.height);
        self.journal.height.set(height);
        self.complete.set(i64::from(view.is_complete));
        self.fresh.set(i64::from(view.is_fresh));
        self.ready.set(i64::from(view.is_ready));
        self.records_absent
            .set(i64::try_from(view.records_absent).unwrap_or(i64::MAX));
        for source in &view.sources {
            let label = [("source", source.source.to_string())];
            let blocks =
                |head: Option<kittengrad_proto::block::Head>| head.map_or(0, |h| h.height + 1);
            self.source_height
                .get_or_create(&label)
                .set(blocks(source.position));
            self.source_head
                .get_or_create(&label)
                .set(blocks(source.head));
        }
    }
}
