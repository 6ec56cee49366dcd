//! The state of the network: members, their conditions, their journals and blocks.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client_core::view::ring::{CellState, MemberState, RingReport};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::{Head, arc_from_wire},
    checkpoint::ThroughList,
    condition::Condition,
    id::{PublicKey, RecordId},
    identity::{Beat, Heartbeat, Identity},
    limits::{NONCE_BYTES, RING_MEMBERS_MAX},
    signed::Ed25519,
    wire,
};
use kittengrad_ring::{Length, Point};

use crate::{
    client::Client,
    fault::CallError,
    subscribe::{Bodies, CheckedBlock, check_block},
};

/// Members asked at the same time.
const REQUESTS_IN_FLIGHT: usize = 16;

/// The place of a canonical on the ring, and its replicas.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its point on the circle.
    pub point: Point,
    /// The replicas, the owner first.
    pub replicas: Vec<Identity>,
    /// From the canonical to the owner's point, in the shorter direction.
    pub distance: Length,
}

/// The ring in the view of one member.
#[derive(Debug, Clone)]
pub struct RingView {
    /// Peers and aggregators. Their structure is checked, their certificates are not.
    pub members: Vec<Identity>,
    /// The last state that it heard of each member.
    pub statuses: BTreeMap<PublicKey, MemberState>,
    /// The policy version that new transactions must name.
    pub policy: u64,
    /// The completeness of each cell, if the member is an aggregator.
    pub cells: Vec<CellState>,
}

/// The head of a journal, as its owner signed it.
#[derive(Debug, Clone)]
pub struct JournalHead {
    /// The head, with the owner's signature; `None` until the journal has its first block.
    pub heartbeat: Option<Heartbeat>,
    /// The positions in other journals that the checkpoint of the heartbeat signs.
    pub through: ThroughList,
    /// Incarnations that the owner still has, ascending.
    pub incarnations: Vec<u64>,
    /// Elements in the owner's set.
    pub elements: u64,
}

/// A member and its condition.
#[derive(Debug, Clone)]
pub struct MemberReport {
    /// The member.
    pub identity: Identity,
    /// Its condition.
    pub condition: Condition,
    /// The head of its journal, if it answered.
    pub journal: Result<JournalHead, CallError>,
    /// The completeness of each cell, if it is an aggregator and answered.
    pub cells: Vec<CellState>,
}

impl MemberReport {
    /// The condition and the head of the member.
    #[must_use]
    pub fn state(&self) -> MemberState {
        let journal = self.journal.as_ref().ok();
        let heartbeat = journal.and_then(|journal| journal.heartbeat.as_ref());
        MemberState {
            condition: self.condition,
            head: heartbeat.map(|heartbeat| heartbeat.head),
            cells: self.cells.clone(),
        }
    }
}

/// Reports the ring of `view`, as its members described themselves in `reports`.
#[must_use]
pub fn ring_report(view: &View, reports: &[MemberReport]) -> RingReport {
    let states = reports
        .iter()
        .map(|report| (report.identity.key, report.state()));
    RingReport::new(view, &states.collect())
}

impl Client {
    /// The place of a canonical and its replicas, in the ring that this client knows.
    #[must_use]
    pub fn route(&self, canonical: &RecordId) -> Route {
        let view = self.view();
        let (ring, point) = (view.ring(), canonical.point());
        Route {
            point,
            replicas: view.holders(canonical).into_iter().cloned().collect(),
            distance: point.distance(ring.owner(point)),
        }
    }

    /// Asks a member for the ring.
    ///
    /// # Errors
    /// [`CallError`] if the member gives no good answer.
    pub async fn ring_of(&self, peer: &PublicKey) -> Result<RingView, CallError> {
        let member = self.member(peer)?;
        let view = self.view();
        let overlay = view.overlay();
        let namespace = overlay.namespace.to_string();
        let ask = async {
            let answer = member
                .routing()
                .get_ring(wire::GetRingRequest { namespace })
                .await;
            answer
                .map_err(|status| self.error(*peer, &status))
                .map(tonic::Response::into_inner)
        };
        let answer = self.attempt(*peer, ask).await?;
        let misbehaved = |why: String| CallError::Misbehaved { peer: *peer, why };
        if overlay.check(&answer.network, &answer.namespace).is_err() {
            return Err(misbehaved("it answers about another network".to_owned()));
        }
        if answer.members.len() + answer.aggregators.len() > 2 * RING_MEMBERS_MAX
            || answer.cells.len() > RING_MEMBERS_MAX
        {
            return Err(misbehaved(format!(
                "it tells of {} members",
                answer.members.len()
            )));
        }
        let members = answer.members.into_iter().chain(answer.aggregators);
        let members = members.map(|signed| Identity::from_wire(Some(signed), overlay));
        let status = |status: wire::MemberStatus| {
            let key = PublicKey::from_slice(&status.key)?;
            let condition = Condition::from_wire(&status.state);
            Ok((
                key,
                MemberState {
                    condition,
                    head: Head::from_wire(status.head.as_ref())?,
                    cells: Vec::new(),
                },
            ))
        };
        let cells = answer.cells.iter().map(cell_from_wire);
        let cells = cells.collect::<Result<Vec<_>, _>>();
        let statuses = answer.statuses.into_iter().map(status);
        let statuses = statuses.collect::<Result<_, kittengrad_proto::id::IdError>>();
        Ok(RingView {
            members: members
                .collect::<Result<_, _>>()
                .map_err(|e| misbehaved(e.to_string()))?,
            statuses: statuses.map_err(|e| misbehaved(e.to_string()))?,
            policy: answer.policy,
            cells: cells.map_err(misbehaved)?,
        })
    }

    /// Asks a peer or aggregator for the head of its journal, and verifies the signature.
    ///
    /// # Errors
    /// [`CallError`] if the member gives no good answer.
    pub async fn head_of(&self, source: &PublicKey) -> Result<JournalHead, CallError> {
        self.head_by(source, None).await
    }

    /// Asks like [`Client::head_of`], with a nonce of 16 random bytes. The head is the one at the time of the question or
    /// a later one, by nobody's clock.
    ///
    /// # Errors
    /// [`CallError`] if the member gives no good answer, or does not repeat the nonce.
    pub async fn head_now(
        &self,
        source: &PublicKey,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<JournalHead, CallError> {
        self.head_by(source, Some(nonce)).await
    }

    async fn head_by(
        &self,
        source: &PublicKey,
        nonce: Option<[u8; NONCE_BYTES]>,
    ) -> Result<JournalHead, CallError> {
        let member = self.member(source)?;
        let view = self.view();
        let request = wire::GetHeadRequest {
            namespace: view.overlay().namespace.to_string(),
            nonce: nonce.map_or_else(Bytes::new, |nonce| Bytes::copy_from_slice(&nonce)),
        };
        let ask = async {
            let answer = member.journal().get_head(request).await;
            answer
                .map_err(|status| self.error(*source, &status))
                .map(tonic::Response::into_inner)
        };
        let answer = self.attempt(*source, ask).await?;
        let misbehaved = |why: String| CallError::Misbehaved { peer: *source, why };
        let beat = match answer.heartbeat {
            None => None,
            signed => {
                let beat = Beat::from_wire(signed, answer.through, view.overlay());
                let beat = beat.map_err(|e| misbehaved(e.to_string()))?;
                let heartbeat = &beat.heartbeat;
                heartbeat
                    .verify(&Ed25519)
                    .map_err(|e| misbehaved(e.to_string()))?;
                if heartbeat.peer != *source {
                    return Err(misbehaved(
                        "it shows the head of another journal".to_owned(),
                    ));
                }
                if nonce.is_some() && heartbeat.nonce != nonce {
                    return Err(misbehaved("it does not repeat the nonce".to_owned()));
                }
                Some(beat)
            }
        };
        if !answer.incarnations.is_sorted_by(|a, b| a < b) {
            return Err(misbehaved("its incarnations are not ascending".to_owned()));
        }
        let (heartbeat, through) = beat.map_or_else(Default::default, |beat| {
            (Some(beat.heartbeat), beat.through)
        });
        Ok(JournalHead {
            heartbeat,
            through,
            incarnations: answer.incarnations,
            elements: answer.elements,
        })
    }

    /// Asks every peer and aggregator for its condition. A member that does not answer is `unreachable`. The order is
    /// that of the ring, then joining peers, then aggregators.
    pub async fn reports(&self) -> Vec<MemberReport> {
        let view = self.view();
        let members: Vec<_> = view
            .peers()
            .chain(view.joining())
            .chain(view.aggregators())
            .cloned()
            .collect();
        stream::iter(members)
            .map(|identity| async move {
                let (journal, ring) =
                    futures::join!(self.head_of(&identity.key), self.ring_of(&identity.key));
                let (own, cells) = ring.map_or_else(
                    |_| (None, Vec::new()),
                    |mut view| (view.statuses.remove(&identity.key), view.cells),
                );
                let condition = match (&journal, own) {
                    (Err(_), _) => Condition::Unreachable,
                    (Ok(_), Some(own)) => own.condition,
                    (Ok(journal), None) if journal.heartbeat.is_some() => Condition::Settled,
                    (Ok(_), None) => Condition::Starting,
                };
                MemberReport {
                    identity,
                    condition,
                    journal,
                    cells,
                }
            })
            .buffered(REQUESTS_IN_FLIGHT)
            .collect()
            .await
    }

    /// Fetches consecutive blocks of one incarnation, valid or not, and checks the signature of each. Returns at most
    /// `limit` blocks, fewer if they are large, and none after the head.
    ///
    /// [`Client::subscribe`] returns only blocks that verify and link.
    ///
    /// # Errors
    /// [`CallError`] if the source does not answer, or if the answer has a frame that does not decode.
    pub async fn blocks(
        &self,
        source: &PublicKey,
        incarnation: u64,
        from_height: u64,
        limit: u32,
        bodies: Bodies,
    ) -> Result<Vec<CheckedBlock>, CallError> {
        let member = self.member(source)?;
        let view = self.view();
        let namespace = view.overlay().namespace.to_string();
        let bodies = bodies.to_wire().into();
        let request = wire::GetBlocksRequest {
            namespace,
            incarnation,
            from_height,
            limit,
            bodies,
        };
        let ask = async {
            let answer = member.journal().get_blocks(request).await;
            answer
                .map_err(|status| self.error(*source, &status))
                .map(tonic::Response::into_inner)
        };
        let answer = self.attempt(*source, ask).await?;
        let check = |frame| {
            check_block(frame, view.overlay()).map_err(|e| CallError::misbehaved(*source, e))
        };
        answer.blocks.into_iter().map(check).collect()
    }
}

/// Reads the completeness of a cell as an aggregator tells it.
fn cell_from_wire(wire: &wire::CellCompleteness) -> Result<CellState, String> {
    let keys = |keys: &[Bytes]| {
        let keys = keys.iter().map(|key| PublicKey::from_slice(key));
        keys.collect::<Result<Vec<_>, _>>()
            .map_err(|e| e.to_string())
    };
    Ok(CellState {
        arc: arc_from_wire(wire.cell.as_ref()).map_err(|e| e.to_string())?,
        complete_to_ms: wire.complete_to_ms,
        needed: wire.needed,
        established: keys(&wire.established)?,
        waits_for: keys(&wire.waits_for)?,
    })
}
