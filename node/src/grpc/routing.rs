//! The Routing service: the members of the ring, and the holders of canonicals.

use bytes::Bytes;
use kittengrad_proto::{
    identity::Identity,
    transaction::POLICY,
    wire::{self, routing_server::Routing},
};
use kittengrad_service::{route::route, status::check_namespace};
use tonic::{Request, Response, Status};

use super::PeerService;
use crate::show;

#[tonic::async_trait]
impl Routing for PeerService {
    async fn get_ring(
        &self,
        request: Request<wire::GetRingRequest>,
    ) -> Result<Response<wire::GetRingResponse>, Status> {
        let overlay = &self.overlay;
        check_namespace(overlay, &request.get_ref().namespace)?;
        let signed = |identity: &Identity| identity.signed().to_wire();
        let view = self.views.now();
        let replicas = view.replication().get();
        Ok(Response::new(wire::GetRingResponse {
            namespace: overlay.namespace.to_string(),
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            replicas: u32::try_from(replicas).unwrap_or(u32::MAX),
            members: view.peers().map(signed).collect(),
            statuses: show::statuses(self.me, &self.status.borrow()),
            aggregators: view.aggregators().map(signed).collect(),
            policy: POLICY,
            cells: Vec::new(),
        }))
    }

    async fn route(
        &self,
        request: Request<wire::RouteRequest>,
    ) -> Result<Response<wire::RouteResponse>, Status> {
        let view = self.views.now();
        let holders = |canonical: &_| view.holders(canonical);
        Ok(Response::new(route(
            request.get_ref(),
            &self.overlay,
            holders,
        )?))
    }
}
