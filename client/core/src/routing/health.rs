//! The replicas that failed lately. Later calls ask them last.

use std::collections::BTreeMap;

use kittengrad_proto::id::PublicKey;

use super::{Backoff, Trouble};

/// Time for which a replica is asked last after a failure.
const AVOID: Backoff = Backoff {
    base_ms: 1_000,
    max_ms: 30_000,
};

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    avoid_until_ms: u64,
}

/// Failures of replicas, shared by all calls of a client.
///
/// Only replicas whose last answer was a failure are in it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    failing: BTreeMap<PublicKey, Record>,
}

impl Health {
    /// Notes a good answer of a replica.
    pub fn answered(&mut self, peer: PublicKey) {
        self.failing.remove(&peer);
    }

    /// Notes a failure of a replica. `random` is any number.
    pub fn failed(&mut self, peer: PublicKey, trouble: Trouble, now_ms: u64, random: u64) {
        if !trouble.is_about_the_peer() {
            return;
        }
        let record = self.failing.entry(peer).or_insert(Record {
            failures: 0,
            avoid_until_ms: 0,
        });
        record.failures = record.failures.saturating_add(1);
        record.avoid_until_ms = now_ms.saturating_add(AVOID.wait_ms(record.failures, random));
    }

    /// Moves replicas that failed lately to the end, those that are avoided longest last. The others keep their order.
    ///
    /// ```
    /// # use kittengrad_client_core::routing::{Health, Trouble};
    /// # use kittengrad_proto::id::PublicKey;
    /// let [a, b] = [1, 2].map(|byte| PublicKey::new([byte; 32]));
    /// let mut health = Health::default();
    /// health.failed(a, Trouble::TimedOut, 0, 0);
    /// assert_eq!(health.order([a, b], 0), [b, a]);
    /// assert_eq!(health.order([a, b], 60_000), [a, b]);
    /// ```
    #[must_use]
    pub fn order(&self, peers: impl IntoIterator<Item = PublicKey>, now_ms: u64) -> Vec<PublicKey> {
        let avoided_until = |peer: &PublicKey| {
            let until_ms = self
                .failing
                .get(peer)
                .map_or(0, |record| record.avoid_until_ms);
            if until_ms > now_ms { until_ms } else { 0 }
        };
        let mut peers: Vec<_> = peers.into_iter().collect();
        peers.sort_by_key(avoided_until);
        peers
    }
}
