//! What an aggregator counts.

use std::{sync::atomic::AtomicU64, time::Duration};

use kittengrad_aggregator_core::{Event, View};
use kittengrad_journal::Write;
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// One series for each source.
type OfSource = Family<[(&'static str, String); 1], Gauge<u64, AtomicU64>>;

/// Counters, gauges and histograms of one aggregator, in the registry of its process.
#[derive(Debug, Clone)]
pub(crate) struct AggregatorMetrics {
    /// Synced commits.
    commits: Counter,
    /// How long a synced commit takes, in seconds.
    commit_seconds: Histogram,
    /// Blocks of the own journal.
    blocks: Counter,
    /// Elements added to the set.
    elements: Counter,
    /// Height of the last block.
    height: Gauge<u64, AtomicU64>,
    /// 1 while complete.
    complete: Gauge,
    /// 1 while fresh.
    fresh: Gauge,
    /// 1 while ready.
    ready: Gauge,
    /// Records that transactions wait for.
    records_wanted: Gauge,
    /// Transactions emitted with bytes missing, or in part.
    partial: Counter,
    /// Times that sources showed what does not verify.
    lies: Counter,
    /// Blocks of each source that are in the set.
    source_height: OfSource,
    /// Blocks of each source that it signed, as far as heard.
    source_head: OfSource,
}

impl AggregatorMetrics {
    /// Makes the metrics and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            commits: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            blocks: Counter::default(),
            elements: Counter::default(),
            height: Gauge::default(),
            complete: Gauge::default(),
            fresh: Gauge::default(),
            ready: Gauge::default(),
            records_wanted: Gauge::default(),
            partial: Counter::default(),
            lies: Counter::default(),
            source_height: Family::default(),
            source_head: Family::default(),
        };
        let seconds = metrics.commit_seconds.clone();
        registry.register("commits", "Synced commits", metrics.commits.clone());
        registry.register("commit_seconds", "Time of a synced commit", seconds);
        registry.register("journal_blocks", "Blocks cut", metrics.blocks.clone());
        registry.register(
            "set_elements_added",
            "Elements added to the set",
            metrics.elements.clone(),
        );
        registry.register(
            "journal_height",
            "Height of the last block",
            metrics.height.clone(),
        );
        registry.register(
            "complete",
            "1 while nothing is missing",
            metrics.complete.clone(),
        );
        registry.register(
            "fresh",
            "1 while all sources are heard",
            metrics.fresh.clone(),
        );
        registry.register("ready", "1 while complete and fresh", metrics.ready.clone());
        let wanted = metrics.records_wanted.clone();
        registry.register(
            "records_wanted",
            "Records that transactions wait for",
            wanted,
        );
        let partial = metrics.partial.clone();
        registry.register(
            "partial_transactions",
            "Transactions emitted in part",
            partial,
        );
        registry.register(
            "source_lies",
            "Blocks that did not verify",
            metrics.lies.clone(),
        );
        let height = metrics.source_height.clone();
        registry.register(
            "source_blocks_read",
            "Blocks of a source that are here",
            height,
        );
        let head = metrics.source_head.clone();
        registry.register("source_blocks", "Blocks that a source signed", head);
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

    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::Lied { .. } => drop(self.lies.inc()),
            Event::Partly { .. } | Event::WithoutRecords { .. } => drop(self.partial.inc()),
            _ => {}
        }
    }

    pub(crate) fn view(&self, view: &View) {
        self.height.set(view.tip.map_or(0, |tip| tip.head.height));
        self.complete.set(i64::from(view.is_complete));
        self.fresh.set(i64::from(view.is_fresh));
        self.ready.set(i64::from(view.is_ready));
        self.records_wanted
            .set(i64::try_from(view.records_wanted).unwrap_or(i64::MAX));
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
