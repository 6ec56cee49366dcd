//! The gRPC services of an aggregator besides its journal: lookups over the whole key space, and the ring.

use std::{ops::Deref, sync::Arc, time::Instant};

use bytes::Bytes;
use kittengrad_journal::Tip;
use kittengrad_proto::{
    error::Responsible,
    id::{PublicKey, RecordId},
    identity::Identity,
    namespace::Overlay,
    transaction::{POLICY, Transaction},
    wire::{self, routing_server::Routing, store_server::Store},
};
use kittengrad_service::{
    caller::Caller,
    lookup::{self, PageMax},
    route::route,
    status::{ErrorCode, Refusal, check_namespace},
    views::Views,
};
use kittengrad_store::RocksStore;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::show::{self, StatusAt};

/// Canonicals in the refusal of a submission, at most. Each is listed with its replicas.
const RESPONSIBLE_MAX: usize = 4;

/// The services of one aggregator. Clones share one state.
#[derive(Clone)]
pub(crate) struct AggregatorService(Arc<Parts>);

/// The state that the services read.
pub(crate) struct Parts {
    pub(crate) own: PublicKey,
    pub(crate) overlay: Overlay,
    pub(crate) views: Views,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    pub(crate) view: watch::Receiver<Arc<StatusAt>>,
}

impl AggregatorService {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Refuses a lookup of canonicals whose cell is not complete to any time since the start. Before that, an absent
    /// canonical may exist, and a set may have more updates.
    fn check_has_read(&self, canonicals: &[RecordId]) -> Result<(), Refusal> {
        let shown = Arc::clone(&self.view.borrow());
        let has_read = |canonical: &RecordId| {
            let mut cells = shown.view.cells.iter();
            cells.any(|cell| cell.complete_to_ms.is_some() && cell.arc.contains(canonical.point()))
        };
        let Some(unread) = canonicals.iter().find(|canonical| !has_read(canonical)) else {
            return Ok(());
        };
        let why = format!("this aggregator has not yet read all of {unread} from its peers");
        Err(Refusal::new(ErrorCode::Filling, why))
    }

    /// Refuses a submission. The refusal names the peers that take it.
    fn not_responsible(&self, request: wire::SubmitRequest) -> Refusal {
        let overlay = &self.overlay;
        if let Err(refusal) = check_namespace(overlay, &request.namespace) {
            return refusal;
        }
        let transaction = match Transaction::from_wire(request.transaction, overlay) {
            Ok(transaction) => transaction,
            Err(error) => return Refusal::new(ErrorCode::Invalid, error.to_string()),
        };
        let entries = transaction.entries().iter().take(RESPONSIBLE_MAX);
        let view = self.views.now();
        let responsible = entries.map(|entry| Responsible {
            canonical: entry.canonical,
            peers: view
                .holders(&entry.canonical)
                .into_iter()
                .cloned()
                .collect(),
        });
        Refusal::new(
            ErrorCode::NotResponsible,
            "an aggregator takes no writes; submit to a peer",
        )
        .responsible(responsible.collect())
    }
}

impl Deref for AggregatorService {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

#[tonic::async_trait]
impl Store for AggregatorService {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        Err(self.not_responsible(request.into_inner()).into())
    }

    async fn lookup(
        &self,
        request: Request<wire::LookupRequest>,
    ) -> Result<Response<wire::LookupResponse>, Status> {
        let room = Caller::of(&request)?.room.clone();
        let (request, this) = (request.into_inner(), self.clone());
        let asked = lookup::canonicals(&request, &self.overlay)?;
        self.check_has_read(&asked)?;
        let tip = *self.tip.borrow();
        let read = move || {
            lookup::lookup(
                &*this.store,
                &request,
                &this.overlay,
                this.own,
                tip,
                PageMax::default(),
            )
        };
        Ok(room.answer(lookup::bytes_about(asked.len()), read).await?)
    }

    async fn get_record(
        &self,
        request: Request<wire::GetRecordRequest>,
    ) -> Result<Response<wire::GetRecordResponse>, Status> {
        let room = Caller::of(&request)?.room.clone();
        let (request, this) = (request.into_inner(), self.clone());
        let bytes = lookup::bytes_about(request.digests.len() / 32);
        let read = move || lookup::get_record(&*this.store, &request, &this.overlay);
        Ok(room.answer(bytes, read).await?)
    }
}

#[tonic::async_trait]
impl Routing for AggregatorService {
    async fn get_ring(
        &self,
        request: Request<wire::GetRingRequest>,
    ) -> Result<Response<wire::GetRingResponse>, Status> {
        let overlay = &self.overlay;
        check_namespace(overlay, &request.get_ref().namespace)?;
        let signed = |identity: &Identity| identity.signed().to_wire();
        let (shown, view) = (Arc::clone(&self.view.borrow()), self.views.now());
        let status = shown.as_of(Instant::now());
        Ok(Response::new(wire::GetRingResponse {
            namespace: overlay.namespace.to_string(),
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            replicas: u32::try_from(view.replication().get()).unwrap_or(u32::MAX),
            members: view.peers().map(signed).collect(),
            statuses: show::statuses(self.own, &status),
            aggregators: view.aggregators().map(signed).collect(),
            policy: POLICY,
            cells: show::cells(&status),
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
