//! The ring as it is drawn and listed: the cell and the condition of each member.
//!
//! `ring show --json` and `GET /api/ring` both write a [`RingReport`].

use std::collections::BTreeMap;

use kittengrad_overlay::view::View;
use kittengrad_proto::{block::Head, condition::Condition, id::PublicKey, identity::Identity};
use kittengrad_ring::{KeyRange, Source};
use serde::{Serialize, Serializer};

/// A member as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Its condition.
    pub condition: Condition,
    /// The last head heard of.
    pub head: Option<Head>,
    /// The completeness of each cell in the view of an aggregator, clockwise.
    pub cells: Vec<CellState>,
}

/// The time to which the view of an aggregator is complete in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellState {
    /// The cell.
    pub arc: KeyRange,
    /// The time, in Unix milliseconds. `None` if the aggregator knows of none.
    pub complete_to_ms: Option<u64>,
    /// Replicas that must be established.
    pub needed: u32,
    /// The replicas that are established.
    pub established: Vec<PublicKey>,
    /// The replicas that the cell waits for.
    pub waits_for: Vec<PublicKey>,
}

/// The ring and the condition of its members.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingReport {
    /// The namespace.
    pub namespace: String,
    /// Copies of each set.
    pub replicas: usize,
    /// Copies that must be on disks before a write is acknowledged.
    pub quorum: usize,
    /// The peers: members of the ring by their points, then joining peers by their keys.
    pub peers: Vec<PeerReport>,
    /// A smallest set of settled peers whose journals together have everything that any settled peer has.
    pub cover: Vec<CoverReport>,
    /// Arcs that no settled peer holds.
    pub uncovered: Vec<ArcReport>,
    /// The aggregators, by their keys.
    pub aggregators: Vec<AggregatorReport>,
}

/// A peer and its condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerReport {
    /// Its key.
    pub id: String,
    /// Its point on the circle.
    pub point: String,
    /// `settled`, `filling`, `starting` or `unreachable`.
    #[serde(serialize_with = "word")]
    pub state: Condition,
    /// The arc that it owns; `None` while it is joining.
    pub cell: Option<ArcReport>,
    /// The length of that arc, from 0 to 1 circle.
    pub share: f64,
    /// The end of its journal.
    #[serde(flatten)]
    pub journal: JournalReport,
    /// `https://host:port`, or empty.
    pub grpc: String,
    /// `host:port`, or empty.
    pub quic: String,
    /// `http://host:port`, or empty.
    pub http: String,
}

/// An aggregator and its condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AggregatorReport {
    /// Its key.
    pub id: String,
    /// `settled`, `filling`, `starting` or `unreachable`.
    #[serde(serialize_with = "word")]
    pub state: Condition,
    /// The end of its journal.
    #[serde(flatten)]
    pub journal: JournalReport,
    /// `https://host:port`, or empty.
    pub grpc: String,
    /// `http://host:port`, or empty.
    pub http: String,
    /// Everything that was acknowledged before this Unix time in milliseconds is in its view. `None` if a cell has no
    /// time, or if it did not answer.
    pub complete_to_ms: Option<u64>,
    /// The completeness of each cell, clockwise.
    pub cells: Vec<CellReport>,
}

/// The time to which the view of an aggregator is complete in one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellReport {
    /// The cell.
    #[serde(flatten)]
    pub arc: ArcReport,
    /// The time, in Unix milliseconds. `None` if the aggregator knows of none.
    pub complete_to_ms: Option<u64>,
    /// Replicas that must be established.
    pub needed: u32,
    /// The keys of the replicas that are established.
    pub established: Vec<String>,
    /// The keys of the replicas that the cell waits for.
    pub waits_for: Vec<String>,
}

/// The end of a journal. All are `None` if its owner did not answer, or has no block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JournalReport {
    /// Incarnation of the journal.
    pub incarnation: Option<u64>,
    /// Height of the last block.
    pub height: Option<u64>,
    /// Hash of the last block.
    pub head: Option<String>,
}

/// Part of the circle, without its first point and with its last. Equal ends are the whole circle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArcReport {
    /// Its beginning, a point in hexadecimal.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// One peer of a cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverReport {
    /// Its key.
    pub peer: String,
    /// The arc that its journal is read for.
    #[serde(flatten)]
    pub arc: ArcReport,
}

impl RingReport {
    /// Reports the ring of `view`. Members that `states` does not name are unreachable.
    #[must_use]
    pub fn new(view: &View, states: &BTreeMap<PublicKey, MemberState>) -> Self {
        let is_settled = |point| {
            let state = view.key_at(point).and_then(|key| states.get(&key));
            state.is_some_and(|state| state.condition == Condition::Settled)
        };
        let cover = view.ring().cover(is_settled);
        let source = |source: &Source| {
            Some(CoverReport {
                peer: view.key_at(source.member)?.to_string(),
                arc: ArcReport::new(&source.arc),
            })
        };
        Self {
            namespace: view.overlay().namespace.to_string(),
            replicas: view.replication().get(),
            quorum: view.replication().quorum(),
            peers: view
                .peers()
                .chain(view.joining())
                .map(|peer| PeerReport::new(view, peer, states.get(&peer.key)))
                .collect(),
            cover: cover.sources.iter().filter_map(source).collect(),
            uncovered: cover.uncovered.iter().map(ArcReport::new).collect(),
            aggregators: view
                .aggregators()
                .map(|member| AggregatorReport::new(member, states.get(&member.key)))
                .collect(),
        }
    }
}

impl PeerReport {
    fn new(view: &View, peer: &Identity, state: Option<&MemberState>) -> Self {
        let cell = view.cell(&peer.key).map(|cell| cell.arc());
        Self {
            id: peer.key.to_string(),
            point: peer.key.point().to_string(),
            state: condition(state),
            cell: cell.as_ref().map(ArcReport::new),
            share: cell.map_or(0.0, |cell| cell.share()),
            journal: JournalReport::new(state),
            grpc: url("https", &peer.addresses.grpc),
            quic: peer.addresses.quic.clone(),
            http: url("http", &peer.addresses.http),
        }
    }
}

impl AggregatorReport {
    fn new(member: &Identity, state: Option<&MemberState>) -> Self {
        let cells = state.map_or(&[][..], |state| &state.cells);
        Self {
            id: member.key.to_string(),
            state: condition(state),
            journal: JournalReport::new(state),
            grpc: url("https", &member.addresses.grpc),
            http: url("http", &member.addresses.http),
            complete_to_ms: cells.iter().map(|cell| cell.complete_to_ms).min().flatten(),
            cells: cells.iter().map(CellReport::new).collect(),
        }
    }
}

impl CellReport {
    fn new(cell: &CellState) -> Self {
        let keys = |keys: &[PublicKey]| keys.iter().map(PublicKey::to_string).collect();
        Self {
            arc: ArcReport::new(&cell.arc),
            complete_to_ms: cell.complete_to_ms,
            needed: cell.needed,
            established: keys(&cell.established),
            waits_for: keys(&cell.waits_for),
        }
    }
}

impl JournalReport {
    fn new(state: Option<&MemberState>) -> Self {
        let head = state.and_then(|state| state.head);
        Self {
            incarnation: head.map(|head| head.incarnation),
            height: head.map(|head| head.height),
            head: head.map(|head| head.hash.to_string()),
        }
    }
}

impl ArcReport {
    fn new(arc: &KeyRange) -> Self {
        Self {
            from: arc.from.to_string(),
            to: arc.to.to_string(),
        }
    }
}

fn condition(state: Option<&MemberState>) -> Condition {
    state.map_or(Condition::Unreachable, |state| state.condition)
}

/// Writes a condition as its word.
fn word<S: Serializer>(condition: &Condition, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(condition.as_str())
}

/// An address with its scheme; an empty one stays empty.
fn url(scheme: &str, address: &str) -> String {
    if address.is_empty() {
        String::new()
    } else {
        format!("{scheme}://{address}")
    }
}
