//! The ring, as it is drawn and listed: who holds what, and how each member is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use kittengrad_client::{Client, status::MemberReport};
use kittengrad_overlay::view::View;
use kittengrad_proto::{condition::Condition, identity::Identity};
use kittengrad_ring as geometry;
use serde::Serialize;
use tokio::sync::Mutex;

/// The ring in the form of `ring show --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingReport {
    /// The namespace.
    pub namespace: String,
    /// Copies of each set.
    pub replicas: usize,
    /// Copies that must be on disks before a write is acknowledged.
    pub quorum: usize,
    /// The peers, by their points.
    pub peers: Vec<PeerReport>,
    /// The fewest settled peers whose journals together hold everything.
    pub cover: Vec<CoverReport>,
    /// Arcs that no settled peer holds.
    pub uncovered: Vec<ArcReport>,
    /// Those who merge journals.
    pub aggregators: Vec<AggregatorReport>,
}

/// A peer and how it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerReport {
    /// Its key.
    pub id: String,
    /// Its point on the circle.
    pub point: String,
    /// `settled`, `filling`, `starting` or `unreachable`.
    pub state: String,
    /// The part of the circle that is its own.
    pub cell: ArcReport,
    /// How much of the circle that is, 0 to 1.
    pub share: f64,
    /// Number of its journal, if it answered.
    pub incarnation: Option<u64>,
    /// Height of its journal, if it answered.
    pub height: Option<u64>,
    /// Hash of its last block, if it answered.
    pub head: Option<String>,
    /// `https://host:port`.
    pub grpc: String,
    /// `host:port`.
    pub quic: String,
    /// `http://host:port`.
    pub http: String,
}

/// Part of the circle: from excluded, to included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArcReport {
    /// Where it begins, a point in hexadecimal.
    pub from: String,
    /// Where it ends.
    pub to: String,
}

/// What one peer of a cover is read for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverReport {
    /// Its key.
    pub peer: String,
    /// The arc that it answers for.
    #[serde(flatten)]
    pub arc: ArcReport,
}

/// An aggregator and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AggregatorReport {
    /// Its key.
    pub id: String,
    /// `settled`, `starting` or `unreachable`.
    pub state: String,
    /// Number of its journal, if it answered.
    pub incarnation: Option<u64>,
    /// Height of its journal, if it answered.
    pub height: Option<u64>,
    /// `https://host:port`.
    pub grpc: String,
    /// `http://host:port`.
    pub http: String,
}

impl From<&geometry::KeyRange> for ArcReport {
    fn from(arc: &geometry::KeyRange) -> Self {
        Self {
            from: arc.from.to_string(),
            to: arc.to.to_string(),
        }
    }
}

impl RingReport {
    /// The ring of `network`, with what its members said of themselves.
    #[must_use]
    pub fn new(view: &View, reports: &[MemberReport]) -> Self {
        let ring = view.ring();
        let report = |identity: &Identity| {
            reports
                .iter()
                .find(|report| report.identity.key == identity.key)
        };
        let condition = |identity: &Identity| {
            report(identity).map_or(Condition::Unreachable, |report| report.condition)
        };
        let head = |identity: &Identity| {
            report(identity)?
                .journal
                .as_ref()
                .ok()?
                .heartbeat
                .as_ref()
                .map(|heartbeat| heartbeat.head)
        };
        let peers: Vec<PeerReport> = view
            .peers()
            .filter_map(|identity| {
                let (cell, head) = (view.cell(&identity.key)?.arc(), head(identity));
                Some(PeerReport {
                    id: identity.key.to_string(),
                    point: identity.key.point().to_string(),
                    state: condition(identity).to_string(),
                    cell: ArcReport::from(&cell),
                    share: cell.share(),
                    incarnation: head.map(|head| head.incarnation),
                    height: head.map(|head| head.height),
                    head: head.map(|head| head.hash.to_string()),
                    grpc: url("https", &identity.addresses.grpc),
                    quic: identity.addresses.quic.clone(),
                    http: url("http", &identity.addresses.http),
                })
            })
            .collect();
        let member_at = |point| view.key_at(point).and_then(|key| view.member(&key));
        let cover = ring.cover(|point| {
            member_at(point).is_some_and(|member| condition(member) == Condition::Settled)
        });
        let source = |source: &geometry::Source| {
            Some(CoverReport {
                peer: view.key_at(source.member)?.to_string(),
                arc: ArcReport::from(&source.arc),
            })
        };
        let aggregator = |identity: &Identity| AggregatorReport {
            id: identity.key.to_string(),
            state: condition(identity).to_string(),
            incarnation: head(identity).map(|head| head.incarnation),
            height: head(identity).map(|head| head.height),
            grpc: url("https", &identity.addresses.grpc),
            http: url("http", &identity.addresses.http),
        };
        Self {
            namespace: view.overlay().namespace.to_string(),
            replicas: view.replication().get(),
            quorum: view.replication().quorum(),
            cover: cover.sources.iter().filter_map(source).collect(),
            uncovered: cover.uncovered.iter().map(ArcReport::from).collect(),
            aggregators: view.aggregators().map(aggregator).collect(),
            peers,
        }
    }
}

/// An address with its scheme; empty stays empty.
fn url(scheme: &str, address: &str) -> String {
    if address.is_empty() {
        String::new()
    } else {
        format!("{scheme}://{address}")
    }
}

/// Who can say how the ring is.
pub trait RingReader: Send + Sync {
    /// Asks everybody.
    fn read(&self) -> BoxFuture<'_, RingReport>;
}

impl RingReader for Client {
    fn read(&self) -> BoxFuture<'_, RingReport> {
        Box::pin(async {
            let reports = self.reports().await;
            RingReport::new(&self.view(), &reports)
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
