//! Metrics that several roles have. Each process object has its own registry, so that ten peers in one process share
//! no counter.

use std::{sync::atomic::AtomicU64, time::Duration};

use data_encoding::HEXLOWER;
use kittengrad_journal::{Shown, Write};
use kittengrad_proto::evidence::Rule;
use prometheus_client::{
    encoding::EncodeLabelValue,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Why a connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelValue)]
pub enum RefusedBecause {
    /// The TLS handshake failed: no certificate, another root, another version.
    Handshake,
    /// The handshake took longer than allowed.
    Slow,
    /// The certificates have a role that is not served here, or do not follow the profile.
    Role,
    /// The limit of connections, or of handshakes of one address, was reached.
    Full,
}

/// Counters and gauges of connections and subscriptions.
#[derive(Debug, Clone, Default)]
pub struct ServiceMetrics {
    /// Connections open now.
    pub connections: Gauge,
    /// Connections that were refused, by reason.
    pub refused: Family<[(&'static str, RefusedBecause); 1], Counter>,
    /// Subscriptions open now.
    pub subscriptions: Gauge,
    /// Blocks sent to subscribers.
    pub blocks_sent: Counter<u64, AtomicU64>,
    /// Subscriptions refused because the caller had signed two blocks for one height of its own journal.
    pub equivocations: Counter,
}

impl ServiceMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let connections = metrics.connections.clone();
        registry.register("grpc_connections", "gRPC connections open now", connections);
        let refused = metrics.refused.clone();
        registry.register(
            "grpc_refused",
            "gRPC connections refused, by reason",
            refused,
        );
        let subscriptions = metrics.subscriptions.clone();
        registry.register(
            "subscriptions",
            "Journal subscriptions open now",
            subscriptions,
        );
        let blocks = metrics.blocks_sent.clone();
        registry.register(
            "subscription_blocks",
            "Journal blocks sent to subscribers",
            blocks,
        );
        let equivocations = metrics.equivocations.clone();
        registry.register(
            "subscriber_equivocations",
            "Subscriptions refused because the caller had signed two blocks for one height",
            equivocations,
        );
        metrics
    }

    pub(crate) fn refuse(&self, because: RefusedBecause) {
        self.refused.get_or_create(&[("reason", because)]).inc();
    }
}

/// A registry whose metrics begin with `kittengrad_`.
#[must_use]
pub fn registry() -> Registry {
    Registry::with_prefix("kittengrad")
}

/// Counters of commits, for every process with a set.
#[derive(Debug, Clone)]
pub struct CommitMetrics {
    /// Synced commits.
    pub commits: Counter,
    /// Time of a synced commit, in seconds.
    pub seconds: Histogram,
    /// Elements added to the set.
    pub elements: Counter,
}

impl CommitMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            commits: Counter::default(),
            seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            elements: Counter::default(),
        };
        registry.register("commits", "Synced commits", metrics.commits.clone());
        let seconds = metrics.seconds.clone();
        registry.register("commit_seconds", "Time of a synced commit", seconds);
        registry.register(
            "set_elements_added",
            "Elements added to the set",
            metrics.elements.clone(),
        );
        metrics
    }

    /// Counts a synced commit and its time.
    pub fn committed(&self, took: Duration) {
        self.commits.inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

/// Counters and gauges of a journal, for its owner.
#[derive(Debug, Clone)]
pub struct JournalMetrics {
    /// Its commits.
    pub commit: CommitMetrics,
    /// Blocks cut.
    pub blocks: Counter,
    /// Height of the last block.
    pub height: Gauge<u64, AtomicU64>,
    /// Pieces of evidence that convict a member.
    pub evidence: Counter,
}

impl JournalMetrics {
    /// Makes the metrics and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            commit: CommitMetrics::register(registry),
            blocks: Counter::default(),
            height: Gauge::default(),
            evidence: Counter::default(),
        };
        registry.register("journal_blocks", "Blocks cut", metrics.blocks.clone());
        registry.register(
            "evidence",
            "Pieces of evidence that convict a member",
            metrics.evidence.clone(),
        );
        registry.register(
            "journal_height",
            "Height of the last block",
            metrics.height.clone(),
        );
        metrics
    }

    /// Counts and logs evidence that convicts a member. The log has its bytes, with which anybody can check it.
    pub fn convicted(&self, shown: &Shown, rule: &Rule) {
        self.evidence.inc();
        let (accused, by) = (shown.evidence.accused(), shown.by);
        let evidence = HEXLOWER.encode(&shown.evidence.encode());
        tracing::error!(?accused, %rule, ?by, evidence, "evidence: do not trust this member");
    }

    /// Counts the blocks and elements of a commit.
    pub fn commit(&self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Block(_) => drop(self.blocks.inc()),
                Write::Element(..) => drop(self.commit.elements.inc()),
                _ => {}
            }
        }
    }
}
