//! A member's ring and journal, as it serves them or was told to.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use kittengrad_journal::{BlockStore as _, StoredBlock, blocks};
use kittengrad_proto::{
    cursor::Cursor,
    wire::{self, frame::Kind, journal_server, routing_server},
};
use tonic::{Request, Response, Status};

use super::{Ending, Fake};

#[tonic::async_trait]
impl routing_server::Routing for Fake {
    async fn get_ring(
        &self,
        _: Request<wire::GetRingRequest>,
    ) -> Result<Response<wire::GetRingResponse>, Status> {
        let members = self
            .ring
            .lock()
            .unwrap()
            .iter()
            .map(|member| member.signed().to_wire())
            .collect();
        Ok(Response::new(wire::GetRingResponse {
            namespace: self.overlay.namespace.to_string(),
            network: Bytes::copy_from_slice(self.overlay.network.as_bytes()),
            replicas: 3,
            members,
            statuses: Vec::new(),
            aggregators: Vec::new(),
            policy: 1,
            cells: Vec::new(),
        }))
    }

    async fn route(
        &self,
        _: Request<wire::RouteRequest>,
    ) -> Result<Response<wire::RouteResponse>, Status> {
        Err(Status::unimplemented("the client routes by itself"))
    }
}

#[tonic::async_trait]
impl journal_server::Journal for Fake {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<wire::Frame, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        use wire::subscribe_request::From;
        let request = request.into_inner();
        self.subscriptions.lock().unwrap().push(request.clone());
        let from = match &request.from {
            Some(From::Cursor(cursor)) => Some(Cursor::from_wire(Some(cursor)).unwrap()),
            Some(From::Genesis(true)) => None,
            other => return Err(Status::invalid_argument(format!("{other:?}"))),
        };
        let mut frames = self.frames(from, request.bodies());
        let heartbeat = self.heartbeat().map(|signed| {
            Kind::Heartbeat(wire::FrameHeartbeat {
                heartbeat: Some(signed),
                through: Vec::new(),
            })
        });
        frames.extend(heartbeat.map(|kind| wire::Frame { kind: Some(kind) }));
        if let Some(tamper) = &*self.tamper.lock().unwrap() {
            tamper(&mut frames);
        }
        let ending = self
            .endings
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Ending::Proper);
        let count = match ending {
            Ending::Proper => frames.len(),
            Ending::Broken(count) | Ending::Silent(count) => count,
        };
        let sent = stream::iter(frames.into_iter().take(count).map(Ok));
        Ok(Response::new(match ending {
            Ending::Proper if request.no_follow => sent.boxed(),
            Ending::Proper | Ending::Silent(_) => sent.chain(stream::pending()).boxed(),
            Ending::Broken(_) => {
                let lost = stream::once(async { Err(Status::unavailable("as told")) });
                sent.chain(lost).boxed()
            }
        }))
    }

    async fn get_blocks(
        &self,
        request: Request<wire::GetBlocksRequest>,
    ) -> Result<Response<wire::GetBlocksResponse>, Status> {
        let request = request.into_inner();
        let log = self.log.lock().unwrap();
        let limit = request.limit as usize;
        let read = blocks(
            &log.store,
            request.incarnation,
            request.from_height,
            limit,
            usize::MAX,
        )
        .unwrap();
        let frame = |stored: &StoredBlock| log.frame(stored, request.bodies(), &self.overlay);
        Ok(Response::new(wire::GetBlocksResponse {
            blocks: read.blocks.iter().map(frame).collect(),
        }))
    }

    async fn get_head(
        &self,
        _: Request<wire::GetHeadRequest>,
    ) -> Result<Response<wire::GetHeadResponse>, Status> {
        let heartbeat = self.heartbeat();
        let log = self.log.lock().unwrap();
        let incarnations = log
            .store
            .incarnations()
            .unwrap()
            .iter()
            .map(|h| h.incarnation)
            .collect();
        let elements = log.store.elements().len() as u64;
        let chain = Some(self.credentials.chain().to_wire());
        Ok(Response::new(wire::GetHeadResponse {
            heartbeat,
            incarnations,
            elements,
            chain,
            through: Vec::new(),
        }))
    }
}
