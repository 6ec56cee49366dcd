//! The subscription of one reader: blocks in order up to the head, then heartbeats and new blocks.

use std::{collections::VecDeque, sync::Arc};

use futures::Stream;
use kittengrad_journal::{Tip, place::Place};
use kittengrad_proto::{
    limits::{FRAMES_BYTES_MAX, MESSAGE_BYTES_MAX},
    wire::{self, WithBodies, frame::Kind},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::{
    admission::Seat,
    load::{ChainsSent, FRAME_BYTES_MAX, Loaded},
    pulse::HEARTBEAT_EVERY,
    shared::{Read, Shared},
};
use crate::{
    room::{Held, Room},
    status::{ErrorCode, Refusal},
};

/// Bytes of one read. It ends with the block that reaches `FRAMES_BYTES_MAX`.
const READ_BYTES_MAX: usize = FRAMES_BYTES_MAX + FRAME_BYTES_MAX;
const _: () = assert!(READ_BYTES_MAX <= MESSAGE_BYTES_MAX);

/// The request of a reader, and its place in the journal.
pub(super) struct Subscription {
    shared: Arc<Shared>,
    /// The head. Published once it is on disk.
    tip: watch::Receiver<Option<Tip>>,
    bodies: WithBodies,
    /// The next block; `None` while the journal has none.
    place: Option<Place>,
    /// The last block to send, if the reader does not follow.
    last: Option<Place>,
    /// Blocks loaded and not sent yet.
    ready: VecDeque<Arc<Loaded>>,
    /// The running read of the blocks after those.
    ahead: Option<AbortOnDropHandle<Result<(Read, Held), Refusal>>>,
    chains_sent: ChainsSent,
    /// The reader got a heartbeat since it reached the head.
    has_heard_head: bool,
    has_ended: bool,
    /// Room of the blocks in `ready`.
    held: Option<Held>,
    /// Closes the connection of a reader that does not take its frame in time.
    take_deadline: Option<AbortOnDropHandle<()>>,
    leave: Leave,
}

/// The seat and the room of a reader.
pub(super) struct Leave {
    /// Held until the stream is dropped, to limit the subscriptions.
    pub(super) seat: Seat,
    /// The room for its blocks.
    pub(super) room: Room,
}

/// The request of a reader.
pub(super) struct Wish {
    pub(super) bodies: WithBodies,
    pub(super) place: Option<Place>,
    pub(super) follow: bool,
}

impl Subscription {
    /// A subscription that began when `now` was the head.
    pub(super) fn new(
        shared: Arc<Shared>,
        tip: watch::Receiver<Option<Tip>>,
        now: Option<Tip>,
        wish: &Wish,
        leave: Leave,
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
            held: None,
            take_deadline: None,
            leave,
        }
    }

    /// The stream of frames. Each frame is made when the reader took the one before.
    pub(super) fn frames(self) -> impl Stream<Item = Result<wire::Frame, Status>> + Send {
        futures::stream::unfold(self, async |mut subscription| {
            let frame = subscription.next().await?;
            subscription.has_ended |= frame.is_err();
            Some((frame.map_err(Status::from), subscription))
        })
    }

    /// The next frame. A call for it shows that the frame before was taken.
    async fn next(&mut self) -> Option<Result<wire::Frame, Refusal>> {
        self.take_deadline = None;
        let frame = self.next_frame().await?;
        self.take_deadline = Some(self.leave.room.closing());
        Some(frame)
    }

    async fn next_frame(&mut self) -> Option<Result<wire::Frame, Refusal>> {
        let shutdown = self.shared.shutdown.clone();
        loop {
            if let Some(loaded) = self.ready.pop_front() {
                return Some(Ok(self.block(&loaded)));
            }
            self.held = None;
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

    /// Loads the next blocks into `ready`, or waits for a newer head. Returns only frames that are not blocks.
    async fn step(&mut self) -> Result<Option<wire::Frame>, Refusal> {
        let Some(tip) = *self.tip.borrow_and_update() else {
            return self.wait(None).await;
        };
        let place = match self.place {
            Some(place) => place,
            None => *self.place.insert(self.shared.oldest(tip).await?),
        };
        let (read, held) = match self.ahead.take() {
            Some(ahead) => ahead.await.map_err(|error| Refusal::internal(&error))??,
            None if place > Place::of(tip.head) => return self.wait(Some(tip)).await,
            None => {
                let (shared, room) = (Arc::clone(&self.shared), self.leave.room.clone());
                read(shared, room, place, tip, self.bodies).await?
            }
        };
        match read {
            Read::Blocks { loaded, next } => {
                self.held = Some(held);
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

    /// Adds blocks to `ready`, and starts to read the blocks after them if there are any.
    fn take(&mut self, loaded: Vec<Arc<Loaded>>, next: Place, tip: Tip) {
        self.has_heard_head = false;
        self.place = Some(next);
        self.ready.extend(loaded);
        if let Some(last) = self.last {
            self.ready.retain(|loaded| loaded.place <= last);
            self.has_ended = next > last;
        }
        if !self.has_ended && next <= Place::of(tip.head) {
            let (shared, room) = (Arc::clone(&self.shared), self.leave.room.clone());
            let read = read(shared, room, next, tip, self.bodies);
            self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(read)));
        }
    }

    /// Waits for a newer head. Returns a heartbeat at once when the reader has just reached the head, and later after
    /// each [`HEARTBEAT_EVERY`] without a newer head.
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
        self.leave.seat.count_block();
        let frame = loaded.frame(self.bodies, &mut self.chains_sent);
        wire::Frame {
            kind: Some(Kind::Block(frame)),
        }
    }
}

/// Takes room for [`READ_BYTES_MAX`], and reads blocks.
async fn read(
    shared: Arc<Shared>,
    room: Room,
    place: Place,
    tip: Tip,
    bodies: WithBodies,
) -> Result<(Read, Held), Refusal> {
    let mut held = room.take(READ_BYTES_MAX).await?;
    let read = shared.read(place, tip, bodies).await?;
    if let Read::Blocks { loaded, .. } = &read {
        let bytes = loaded.iter().map(|loaded| loaded.bytes).sum::<usize>();
        held.fit(bytes.min(READ_BYTES_MAX))?;
    }
    Ok((read, held))
}

fn stopping() -> Refusal {
    Refusal::new(ErrorCode::Starting, "this process is stopping")
        .hint("subscribe again from the last cursor in a few seconds")
}
