//! One reader's subscription: blocks in order until the head, then heartbeats, for as long as it listens.

use std::{collections::VecDeque, sync::Arc};

use futures::Stream;
use kittengrad_journal::Tip;
use kittengrad_proto::wire::{self, WithBodies, frame::Kind};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::{
    admission::Seat,
    load::{ChainsSent, Loaded},
    place::Place,
    pulse::HEARTBEAT_EVERY,
    shared::{Read, Shared},
};
use crate::status::{ErrorCode, Refusal};

/// What a reader asked for, and where it is.
pub(super) struct Subscription {
    shared: Arc<Shared>,
    /// The head, published once it is on disk.
    tip: watch::Receiver<Option<Tip>>,
    bodies: WithBodies,
    /// The next block; `None` while the journal has none.
    place: Option<Place>,
    /// The block to end with, if the reader does not follow.
    last: Option<Place>,
    /// Blocks read and not sent.
    ready: VecDeque<Arc<Loaded>>,
    /// The read of the blocks after those.
    ahead: Option<AbortOnDropHandle<Result<Read, Refusal>>>,
    chains_sent: ChainsSent,
    /// The reader was told the head since it came level.
    has_heard_head: bool,
    has_ended: bool,
    /// Held until the stream is dropped, so that readers stay countable.
    seat: Seat,
}

/// What a reader wants.
pub(super) struct Wish {
    pub(super) bodies: WithBodies,
    pub(super) place: Option<Place>,
    pub(super) follow: bool,
}

impl Subscription {
    /// Prepares the stream of a reader that came when `now` was the head.
    pub(super) fn new(
        shared: Arc<Shared>,
        tip: watch::Receiver<Option<Tip>>,
        now: Option<Tip>,
        wish: &Wish,
        seat: Seat,
    ) -> Self {
        let head = now.map(|tip| Place::of(tip.head));
        let nothing_to_send = match (wish.place, head) {
            (Some(place), Some(head)) => place > head,
            _ => true,
        };
        Self {
            shared,
            tip,
            bodies: wish.bodies,
            place: wish.place,
            last: head.filter(|_| !wish.follow),
            ready: VecDeque::new(),
            ahead: None,
            chains_sent: ChainsSent::default(),
            has_heard_head: false,
            has_ended: !wish.follow && nothing_to_send,
            seat,
        }
    }

    /// The frames, one at a time, as fast as the reader takes them.
    pub(super) fn frames(self) -> impl Stream<Item = Result<wire::Frame, Status>> + Send {
        futures::stream::unfold(self, async |mut subscription| {
            let frame = subscription.next().await?;
            subscription.has_ended |= frame.is_err();
            Some((frame.map_err(Status::from), subscription))
        })
    }

    async fn next(&mut self) -> Option<Result<wire::Frame, Refusal>> {
        let shutdown = self.shared.shutdown.clone();
        loop {
            if let Some(loaded) = self.ready.pop_front() {
                return Some(Ok(self.block(&loaded)));
            }
            if self.has_ended {
                return None;
            }
            let stepped = tokio::select! {
                () = shutdown.cancelled() => Err(stopping()),
                stepped = self.step() => stepped,
            };
            if let Some(frame) = stepped.transpose() {
                return Some(frame);
            }
        }
    }

    /// Reads on or waits; gives a frame only if it is no block.
    async fn step(&mut self) -> Result<Option<wire::Frame>, Refusal> {
        let Some(tip) = *self.tip.borrow_and_update() else {
            return self.wait(None).await;
        };
        let place = match self.place {
            Some(place) => place,
            None => *self.place.insert(self.shared.oldest(tip).await?),
        };
        let read = match self.ahead.take() {
            Some(ahead) => ahead.await.map_err(|error| Refusal::internal(&error))??,
            None => self.shared.read(place, tip, self.bodies).await?,
        };
        match read {
            Read::Blocks { loaded, next } => {
                self.take(loaded, next, tip);
                Ok(None)
            }
            Read::Level => self.wait(Some(tip)).await,
            Read::Problem(problem) => {
                self.has_ended = true;
                Ok(Some(wire::Frame {
                    kind: Some(Kind::Problem(problem)),
                }))
            }
        }
    }

    /// Puts blocks in line, and begins to read those after them if there are any by now.
    fn take(&mut self, loaded: Vec<Arc<Loaded>>, next: Place, tip: Tip) {
        self.has_heard_head = false;
        self.place = Some(next);
        self.ready.extend(loaded);
        if let Some(last) = self.last {
            self.ready.retain(|loaded| loaded.place <= last);
            self.has_ended = next > last;
        }
        if !self.has_ended && next <= Place::of(tip.head) {
            let (shared, bodies) = (Arc::clone(&self.shared), self.bodies);
            let read = async move { shared.read(next, tip, bodies).await };
            self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(read)));
        }
    }

    /// Waits for a newer head, and says the one there is when nothing comes.
    async fn wait(&mut self, tip: Option<Tip>) -> Result<Option<wire::Frame>, Refusal> {
        let heartbeat = |tip: Tip| wire::Frame {
            kind: Some(Kind::Heartbeat(self.shared.pulse.beat(tip.head))),
        };
        if let Some(tip) = tip.filter(|_| !self.has_heard_head) {
            self.has_heard_head = true;
            return Ok(Some(heartbeat(tip)));
        }
        match timeout(HEARTBEAT_EVERY, self.tip.changed()).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(_)) => Err(stopping()),
            Err(_) => Ok(tip.map(heartbeat)),
        }
    }

    fn block(&mut self, loaded: &Loaded) -> wire::Frame {
        self.seat.count_block();
        let frame = loaded.frame(self.bodies, &mut self.chains_sent);
        wire::Frame {
            kind: Some(Kind::Block(frame)),
        }
    }
}

fn stopping() -> Refusal {
    Refusal::new(ErrorCode::Starting, "this process is stopping")
        .hint("subscribe again from the last cursor in a few seconds")
}
