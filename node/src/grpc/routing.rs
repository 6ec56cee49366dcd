//! The Routing service: who holds what.

use bytes::Bytes;
use kittengrad_proto::{
    id::RecordId,
    identity::Identity,
    limits::LOOKUP_CANONICALS_MAX,
    transaction::POLICY,
    wire::{self, routing_server::Routing},
};
use kittengrad_service::status::{ErrorCode, Refusal, check_namespace};
use tonic::{Request, Response, Status};

use super::PeerService;
use crate::show;

#[tonic::async_trait]
impl Routing for PeerService {
    async fn get_ring(
        &self,
        request: Request<wire::GetRingRequest>,
    ) -> Result<Response<wire::GetRingResponse>, Status> {
        let overlay = self.membership.overlay();
        check_namespace(overlay, &request.get_ref().namespace)?;
        let signed = |identity: &Identity| identity.signed().to_wire();
        let replicas = self.membership.ring().replication().get();
        Ok(Response::new(wire::GetRingResponse {
            namespace: overlay.namespace.to_string(),
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            replicas: u32::try_from(replicas).unwrap_or(u32::MAX),
            members: self.network.peers().map(signed).collect(),
            statuses: show::statuses(&self.membership, &self.status.borrow()),
            aggregators: self.network.aggregators().map(signed).collect(),
            policy: POLICY,
        }))
    }

    async fn route(
        &self,
        request: Request<wire::RouteRequest>,
    ) -> Result<Response<wire::RouteResponse>, Status> {
        let request = request.into_inner();
        check_namespace(self.membership.overlay(), &request.namespace)?;
        let invalid = |why: String| Refusal::new(ErrorCode::Invalid, why);
        let canonicals =
            RecordId::list_from_slice(&request.canonicals).map_err(|e| invalid(e.to_string()))?;
        if canonicals.len() > LOOKUP_CANONICALS_MAX {
            let why = format!(
                "{} canonicals, at most {LOOKUP_CANONICALS_MAX} are answered",
                canonicals.len()
            );
            return Err(Refusal::new(ErrorCode::TooLarge, why).into());
        }
        let replicas = canonicals.iter().map(|canonical| {
            let holders = self.network.holders(canonical);
            wire::Replicas {
                canonical: Bytes::copy_from_slice(canonical.as_bytes()),
                peers: holders
                    .into_iter()
                    .map(|identity| identity.signed().to_wire())
                    .collect(),
            }
        });
        Ok(Response::new(wire::RouteResponse {
            replicas: replicas.collect(),
        }))
    }
}
