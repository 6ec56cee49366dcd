//! The Journal service: streams one signed journal to readers, each from any block on. Peers and aggregators use the
//! same code, so that a reader cannot tell them apart.

mod admission;
mod callers;
mod load;
mod pulse;
mod recent;
mod shared;
mod subscription;
mod times;

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use kittengrad_journal::{
    Store, StoreError, Tip, added_elements,
    place::{self, Beginning, Start},
};
use kittengrad_proto::{
    certificate::Chain,
    checkpoint::Statement,
    evidence::Evidence,
    id::PublicKey,
    identity::Heartbeat,
    limits::{FRAMES_BYTES_MAX, GET_BLOCKS_MAX, MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX},
    namespace::Overlay,
    signed::Signer,
    wire::{
        self, WithBodies,
        frame::Kind,
        journal_server::{Journal, JournalServer},
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use self::{
    admission::Admission,
    callers::CallerHeads,
    load::{ChainsSent, Loaded, Source},
    pulse::Pulse,
    shared::Shared,
    subscription::{Leave, Subscription, Wish},
};
pub use self::{pulse::HEARTBEAT_EVERY, times::SigningTimes};
use crate::{
    caller::Caller,
    metrics::ServiceMetrics,
    status::{ErrorCode, Refusal, check_namespace},
};

/// The parts of a [`JournalService`].
pub struct JournalParts {
    /// The network and namespace of the journal.
    pub overlay: Overlay,
    /// The store of the journal.
    pub store: Arc<dyn Store>,
    /// The last block on disk. The owner publishes a block here after its commit was synced. Later blocks are never
    /// sent.
    pub tip: watch::Receiver<Option<Tip>>,
    /// What the set contains as of a block on disk. The owner publishes it after the head of that block.
    pub statements: watch::Receiver<Option<Arc<Statement>>>,
    /// Dates the heartbeats.
    pub times: SigningTimes,
    /// Signs heartbeats with the journal's key.
    pub signer: Arc<dyn Signer>,
    /// Certifies the journal's key.
    pub chain: Chain,
    /// Ends subscriptions, which otherwise never end.
    pub shutdown: CancellationToken,
    /// Counts readers.
    pub metrics: ServiceMetrics,
    /// Takes evidence against callers to the owner of the journal, which keeps it.
    pub evidence: TakeEvidence,
}

/// Takes evidence that a caller showed by its own call. It must not wait.
pub type TakeEvidence = Arc<dyn Fn(PublicKey, Evidence) + Send + Sync>;

/// Serves one journal.
pub struct JournalService {
    overlay: Overlay,
    chain: Chain,
    tip: watch::Receiver<Option<Tip>>,
    shared: Arc<Shared>,
    admission: Admission,
    callers: CallerHeads,
}

impl JournalService {
    /// Prepares the service. Reads nothing from the store.
    #[must_use]
    pub fn new(parts: JournalParts) -> Self {
        let pulse = Pulse::new(
            parts.overlay.clone(),
            Arc::clone(&parts.signer),
            parts.times,
            parts.statements,
        );
        let source = Source::new(parts.overlay.clone(), parts.store);
        Self {
            shared: Arc::new(Shared::new(
                parts.signer.public(),
                pulse,
                parts.shutdown,
                source,
            )),
            overlay: parts.overlay,
            chain: parts.chain,
            tip: parts.tip,
            admission: Admission::new(parts.metrics.clone()),
            callers: CallerHeads::new(parts.metrics, parts.evidence),
        }
    }

    /// The gRPC server with its limits on requests and answers.
    #[must_use]
    pub fn server(self) -> JournalServer<Self> {
        JournalServer::new(self)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    async fn subscription(
        &self,
        caller: &Caller,
        request: wire::SubscribeRequest,
    ) -> Result<FrameStream, Refusal> {
        check_namespace(&self.overlay, &request.namespace)?;
        let bodies = with_bodies(request.bodies)?;
        let from = Beginning::from_wire(request.from.as_ref()).map_err(|error| {
            Refusal::new(ErrorCode::Invalid, error.to_string())
                .hint("give a cursor, `genesis` or `now`")
        })?;
        let seat = self.admission.take(caller.holder.key)?;
        if let Some(head) = request.head {
            self.callers.note(&caller.holder, head, &self.overlay)?;
        }
        let tip = self.tip.clone();
        let now = *tip.borrow();
        match self.shared.start(from, now).await? {
            Start::Problem(problem) => {
                let frame = wire::Frame {
                    kind: Some(Kind::Problem(problem)),
                };
                Ok(Box::pin(futures::stream::iter([Ok(frame)])))
            }
            Start::At(place) => {
                let wish = Wish {
                    bodies,
                    place,
                    follow: !request.no_follow,
                };
                let shared = Arc::clone(&self.shared);
                let leave = Leave {
                    seat,
                    room: caller.room.clone(),
                };
                Ok(Box::pin(
                    Subscription::new(shared, tip, now, &wish, leave).frames(),
                ))
            }
        }
    }

    async fn blocks(
        &self,
        caller: &Caller,
        request: wire::GetBlocksRequest,
    ) -> Result<Response<wire::GetBlocksResponse>, Refusal> {
        check_namespace(&self.overlay, &request.namespace)?;
        let bodies = with_bodies(request.bodies)?;
        let limit = request.limit.min(GET_BLOCKS_MAX);
        let (incarnation, from) = (request.incarnation, request.from_height);
        let Some(tip) = *self.tip.borrow() else {
            return Err(unknown_incarnation(incarnation));
        };
        let held = caller.room.take(MESSAGE_BYTES_MAX).await?;
        let found = self
            .shared
            .on_store(move |source| {
                let place::Extent::Known { last, .. } =
                    place::extent(incarnation, tip, &*source.store)?
                else {
                    return Ok(None);
                };
                let mut blocks = Vec::new();
                let (mut bytes, mut sent) = (0, ChainsSent::default());
                for height in (from..=last).take(limit as usize) {
                    let Some(stored) = source.store.block(incarnation, height)? else {
                        break;
                    };
                    let loaded = Loaded::load(source, stored, bodies)?;
                    bytes += loaded.bytes;
                    if bytes > FRAMES_BYTES_MAX && !blocks.is_empty() {
                        break;
                    }
                    blocks.push(loaded.frame(bodies, &mut sent));
                }
                Ok(Some(blocks))
            })
            .await?;
        let blocks = found.ok_or_else(|| unknown_incarnation(incarnation))?;
        held.with(wire::GetBlocksResponse { blocks })
    }

    async fn head(&self, request: wire::GetHeadRequest) -> Result<wire::GetHeadResponse, Refusal> {
        check_namespace(&self.overlay, &request.namespace)?;
        let nonce = Heartbeat::nonce_from_wire(&request.nonce)
            .map_err(|error| Refusal::new(ErrorCode::Invalid, error.to_string()))?;
        let chain = Some(self.chain.to_wire());
        let Some(tip) = *self.tip.borrow() else {
            return Ok(wire::GetHeadResponse {
                chain,
                ..wire::GetHeadResponse::default()
            });
        };
        let current = tip.head.incarnation;
        let (ended, elements) = self
            .shared
            .on_store(move |source| ended_before(current, &*source.store))
            .await?;
        let wire::FrameHeartbeat { heartbeat, through } = match nonce {
            Some(nonce) => self.shared.pulse.answer(tip.head, nonce),
            None => self.shared.pulse.beat(tip.head),
        };
        Ok(wire::GetHeadResponse {
            heartbeat,
            incarnations: ended.into_iter().chain([current]).collect(),
            elements: elements + tip.offset,
            chain,
            through,
        })
    }
}

/// The frames of one subscription.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<wire::Frame, Status>> + Send>>;

#[tonic::async_trait]
impl Journal for JournalService {
    type SubscribeStream = FrameStream;

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<FrameStream>, Status> {
        let caller = Caller::of(&request)?.clone();
        Ok(Response::new(
            self.subscription(&caller, request.into_inner()).await?,
        ))
    }

    async fn get_blocks(
        &self,
        request: Request<wire::GetBlocksRequest>,
    ) -> Result<Response<wire::GetBlocksResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        Ok(self.blocks(&caller, request.into_inner()).await?)
    }

    async fn get_head(
        &self,
        request: Request<wire::GetHeadRequest>,
    ) -> Result<Response<wire::GetHeadResponse>, Status> {
        Ok(Response::new(self.head(request.into_inner()).await?))
    }
}

/// The incarnations before `current`, and the number of elements that they added.
fn ended_before(current: u64, store: &dyn Store) -> Result<(Vec<u64>, u64), StoreError> {
    let mut elements = 0;
    let mut ended = Vec::new();
    for last in store
        .incarnations()?
        .iter()
        .filter(|last| last.incarnation < current)
    {
        if let Some(stored) = store.block(last.incarnation, last.height)? {
            elements += stored.offset + added_elements(&stored.block)?;
        }
        ended.push(last.incarnation);
    }
    Ok((ended, elements))
}

fn with_bodies(number: i32) -> Result<WithBodies, Refusal> {
    WithBodies::try_from(number).map_err(|_| {
        Refusal::new(ErrorCode::Invalid, format!("bodies is {number}"))
            .hint("use 0 (none), 1 (transactions) or 2 (records)")
    })
}

fn unknown_incarnation(incarnation: u64) -> Refusal {
    Refusal::new(
        ErrorCode::Invalid,
        format!("this journal has no incarnation {incarnation}"),
    )
    .hint("`kittengrad journal head --json` lists the incarnations")
}
