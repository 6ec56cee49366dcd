//! Looking at the network itself: who holds what, where every journal stands, and what blocks say.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use kittengrad_proto::{
    block::Head,
    condition::Condition,
    id::{PublicKey, RecordId},
    identity::{Heartbeat, Identity},
    limits::RING_MEMBERS_MAX,
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

/// Where a canonical lies and who holds it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its point on the circle.
    pub point: Point,
    /// The peers that hold it, the owner first.
    pub replicas: Vec<Identity>,
    /// From the canonical to the owner's point, the shorter way round.
    pub distance: Length,
}

/// The ring as one member knows it.
#[derive(Debug, Clone)]
pub struct RingView {
    /// Peers and aggregators; their structure is checked, not yet who vouches for them.
    pub members: Vec<Identity>,
    /// What it last heard of each.
    pub statuses: BTreeMap<PublicKey, MemberState>,
    /// Version of the policy that new transactions name.
    pub policy: u64,
}

/// A member as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// How it is.
    pub condition: Condition,
    /// The last head heard of.
    pub head: Option<Head>,
}

/// Where a journal stands, by the signed word of its owner.
#[derive(Debug, Clone)]
pub struct JournalHead {
    /// The head, with the owner's signature; `None` until the journal has its first block.
    pub heartbeat: Option<Heartbeat>,
    /// Incarnations that the owner can show, ascending.
    pub incarnations: Vec<u64>,
    /// Elements in the owner's set.
    pub elements: u64,
}

/// A member and how it is.
#[derive(Debug, Clone)]
pub struct MemberReport {
    /// Who it is.
    pub identity: Identity,
    /// How it is.
    pub condition: Condition,
    /// Where its journal stands, if it answered.
    pub journal: Result<JournalHead, CallError>,
}

impl Client {
    /// Where a canonical lies and who holds it, by the ring as this client knows it.
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
    /// [`CallError`] if it does not answer well.
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
        if answer.members.len() + answer.aggregators.len() > 2 * RING_MEMBERS_MAX {
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
                },
            ))
        };
        let statuses = answer.statuses.into_iter().map(status);
        let statuses = statuses.collect::<Result<_, kittengrad_proto::id::IdError>>();
        Ok(RingView {
            members: members
                .collect::<Result<_, _>>()
                .map_err(|e| misbehaved(e.to_string()))?,
            statuses: statuses.map_err(|e| misbehaved(e.to_string()))?,
            policy: answer.policy,
        })
    }

    /// Asks a peer or aggregator where its journal stands, and verifies its signature.
    ///
    /// # Errors
    /// [`CallError`] if it does not answer well.
    pub async fn head_of(&self, source: &PublicKey) -> Result<JournalHead, CallError> {
        let member = self.member(source)?;
        let view = self.view();
        let namespace = view.overlay().namespace.to_string();
        let ask = async {
            let answer = member
                .journal()
                .get_head(wire::GetHeadRequest { namespace })
                .await;
            answer
                .map_err(|status| self.error(*source, &status))
                .map(tonic::Response::into_inner)
        };
        let answer = self.attempt(*source, ask).await?;
        let misbehaved = |why: String| CallError::Misbehaved { peer: *source, why };
        let heartbeat = match answer.heartbeat {
            None => None,
            signed => {
                let heartbeat = Heartbeat::from_wire(signed, view.overlay());
                let heartbeat = heartbeat.map_err(|e| misbehaved(e.to_string()))?;
                heartbeat
                    .verify(&Ed25519)
                    .map_err(|e| misbehaved(e.to_string()))?;
                if heartbeat.peer != *source {
                    return Err(misbehaved(
                        "it shows the head of another journal".to_owned(),
                    ));
                }
                Some(heartbeat)
            }
        };
        if !answer.incarnations.is_sorted_by(|a, b| a < b) {
            return Err(misbehaved("its incarnations are not ascending".to_owned()));
        }
        Ok(JournalHead {
            heartbeat,
            incarnations: answer.incarnations,
            elements: answer.elements,
        })
    }

    /// Asks every peer and aggregator how it is; members that do not answer are `unreachable`. In the order of
    /// the ring, then joining peers, then aggregators.
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
                let own = ring
                    .ok()
                    .and_then(|mut view| view.statuses.remove(&identity.key));
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
                }
            })
            .buffered(REQUESTS_IN_FLIGHT)
            .collect()
            .await
    }

    /// Fetches consecutive blocks of one incarnation as they are, good or bad, and says of each whether its
    /// signature holds. At most `limit`; fewer come if they are large, none beyond the head.
    ///
    /// [`Client::subscribe`] is for whoever wants only what verifies, and links.
    ///
    /// # Errors
    /// [`CallError`] if the source does not answer, or with something that is no block at all.
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
