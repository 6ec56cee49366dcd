//! The Store service. Submissions go to the core; lookups read the store directly.

use std::sync::Arc;

use bytes::Bytes;
use kittengrad_node_core::{Refusal as CoreRefusal, Submitted};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{
    block::Head,
    certificate::Chain,
    error::Responsible,
    id::{Id, RecordId},
    limits::{SUBMISSION_BYTES_MAX, TRANSACTION_UPDATES_MAX},
    submission::Submission,
    transaction::Transaction,
    wire::{self, store_server::Store},
};
use kittengrad_service::{
    caller::Caller,
    clock,
    lookup::{self, PageMax},
    status::{ErrorCode, Refusal, check_namespace},
};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::{PeerService, fresh};
use crate::{driver::Command, verify::VerifyError};

#[tonic::async_trait]
impl Store for PeerService {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        let request = request.into_inner();
        check_namespace(&self.overlay, &request.namespace)?;
        let ack = match request.ack() {
            wire::Ack::One => Ack::One,
            wire::Ack::All => Ack::All,
            wire::Ack::Quorum | wire::Ack::Unspecified => Ack::Quorum,
        };
        let receipt = request.receipt;
        let (id, submission, chain) = self.verified(request).await?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Submit {
            submission,
            chain,
            ack,
            receipt,
            answer,
        };
        self.commands.send(command).await.map_err(|_| stopping())?;
        let outcome = answered.await.map_err(|_| stopping())?;
        let submitted = outcome.map_err(|refusal| self.refuse(refusal))?;
        Ok(Response::new(response(id, submitted)))
    }

    async fn lookup(
        &self,
        request: Request<wire::LookupRequest>,
    ) -> Result<Response<wire::LookupResponse>, Status> {
        let room = Caller::of(&request)?.room.clone();
        let request = request.into_inner();
        let asked = lookup::canonicals(&request, &self.overlay)?;
        self.check_holds(&asked)?;
        let tip = {
            let status = self.status.borrow();
            if !status.is_settled {
                let why = format!("peer {} is filling its arcs and answers no reads", self.me);
                return Err(Refusal::new(ErrorCode::Filling, why).into());
            }
            status.tip
        };
        let this = self.clone();
        let read = move || {
            lookup::lookup(
                &*this.store,
                &request,
                &this.overlay,
                this.me,
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
        let request = request.into_inner();
        let bytes = lookup::bytes_about(request.digests.len() / 32);
        let this = self.clone();
        let read = move || lookup::get_record(&*this.store, &request, &this.overlay);
        Ok(room.answer(bytes, read).await?)
    }
}

impl PeerService {
    /// Parses a submission and verifies it on the worker pool.
    async fn verified(
        &self,
        request: wire::SubmitRequest,
    ) -> Result<(Id, Submission, Arc<Chain>), Refusal> {
        let invalid = |why: String| Refusal::new(ErrorCode::Invalid, why);
        let bytes: usize = request.records.iter().map(Bytes::len).sum();
        if bytes > SUBMISSION_BYTES_MAX || request.records.len() > 2 * TRANSACTION_UPDATES_MAX {
            let why = format!("{} records with {bytes} bytes", request.records.len());
            return Err(Refusal::new(ErrorCode::TooLarge, why));
        }
        let transaction = Transaction::from_wire(request.transaction, &self.overlay)
            .map_err(|e| invalid(e.to_string()))?;
        fresh::check(transaction.envelope().created_ms, clock::unix_ms())?;
        let canonicals: Vec<_> = transaction
            .entries()
            .iter()
            .map(|entry| entry.canonical)
            .collect();
        self.check_holds(&canonicals)?;
        let chain = request
            .chain
            .map(Chain::from_wire)
            .transpose()
            .map_err(|e| invalid(e.to_string()))?;
        let (done, verified) = oneshot::channel();
        let this = self.clone();
        let (transaction, records) = (Arc::new(transaction), request.records);
        self.verifying.spawn(move || {
            let learned = chain.map_or(Ok(()), |chain| this.verifying.learn(chain).map(drop));
            let checked = learned.and_then(|()| this.verifying.check(transaction, records));
            // The caller may have cancelled.
            let _ = done.send(checked);
        });
        match verified.await.map_err(|_| stopping())? {
            Ok((submission, chain)) => Ok((submission.transaction.id(), submission, chain)),
            Err(VerifyError::ChainUnknown(id)) => Err(Refusal::new(
                ErrorCode::ChainUnknown,
                format!("this peer does not have certificate chain {id}"),
            )),
            Err(VerifyError::State(error)) => Err(error.into()),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    /// Refuses if this peer does not hold one of the canonicals. The refusal names its holders.
    fn check_holds(&self, canonicals: &[RecordId]) -> Result<(), Refusal> {
        let view = self.views.now();
        let foreign = canonicals
            .iter()
            .find(|canonical| !view.holds_here(canonical));
        foreign.map_or(Ok(()), |canonical| Err(self.not_responsible(canonical)))
    }

    fn not_responsible(&self, canonical: &RecordId) -> Refusal {
        let why = format!("peer {} does not hold {canonical}", self.me);
        let view = self.views.now();
        let peers = view.holders(canonical).into_iter().cloned().collect();
        Refusal::new(ErrorCode::NotResponsible, why).responsible(vec![Responsible {
            canonical: *canonical,
            peers,
        }])
    }

    fn refuse(&self, refusal: CoreRefusal) -> Refusal {
        let code = match &refusal {
            CoreRefusal::NotResponsible(canonical) => return self.not_responsible(canonical),
            CoreRefusal::Clock(_) => {
                let hint = "ask another replica; the operator of this peer must set its clock";
                return Refusal::new(ErrorCode::Starting, refusal.to_string()).hint(hint);
            }
            CoreRefusal::Starting(_) => ErrorCode::Starting,
            CoreRefusal::UnknownCanonical(_) => ErrorCode::UnknownCanonical,
            CoreRefusal::DiskFull => ErrorCode::DiskFull,
            CoreRefusal::Overloaded => ErrorCode::Overloaded,
            CoreRefusal::Internal(_) => ErrorCode::Internal,
        };
        Refusal::new(code, refusal.to_string())
    }
}

fn stopping() -> Refusal {
    Refusal::new(ErrorCode::Starting, "this peer is stopping")
}

fn response(id: Id, submitted: Submitted) -> wire::SubmitResponse {
    let synced = submitted
        .synced
        .iter()
        .map(|key| Bytes::copy_from_slice(key.as_bytes()));
    wire::SubmitResponse {
        id: Bytes::copy_from_slice(id.as_bytes()),
        added: submitted.added.as_bytes().clone(),
        block: Some(Head::to_wire(&submitted.block)),
        synced: synced.collect(),
        acknowledged: submitted.is_acknowledged,
        receipt: submitted.receipt.map(|receipt| receipt.to_wire()),
        created: RecordId::concat(&submitted.created),
    }
}
