//! What every server counts, in a registry of its own: ten peers in one process share no counter.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelValue,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Why a connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelValue)]
pub enum RefusedBecause {
    /// The TLS handshake failed: no certificate, another root, another version.
    Handshake,
    /// The handshake took longer than allowed.
    Slow,
    /// The certificates are of a role that is not served here, or not of the profile.
    Role,
    /// There were as many connections as allowed.
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
        metrics
    }

    pub(crate) fn refuse(&self, because: RefusedBecause) {
        self.refused.get_or_create(&[("reason", because)]).inc();
    }
}
