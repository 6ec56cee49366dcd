//! Room for answers: what is made ready for callers and not taken by them yet is bounded in bytes and in time.
//!
//! Whoever makes something large ready takes room for it first, and keeps it until the caller took it. A caller
//! that lets it lie for [`TAKE_MAX`] loses its connection: nothing else frees what waits there for it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kittengrad_proto::{id::PublicKey, limits::MESSAGE_BYTES_MAX};
use prost::Message;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{Response, codegen::http};

use crate::status::{ErrorCode, Refusal};

/// How long a caller may let lie what is ready for it.
pub const TAKE_MAX: Duration = Duration::from_secs(60);
/// Bytes for all callers of a process.
const PROCESS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes for one of them.
const CALLER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room is counted in these.
const UNIT_BYTES: usize = 16 * 1024;
const _: () =
    assert!(MESSAGE_BYTES_MAX <= CALLER_BYTES_MAX && CALLER_BYTES_MAX <= PROCESS_BYTES_MAX);

/// The room of one process.
#[derive(Debug)]
pub(crate) struct Rooms {
    all: Arc<Semaphore>,
    /// Room of each caller that has a connection. Whoever connects reads and writes it, for a moment.
    callers: Mutex<BTreeMap<PublicKey, Weak<Semaphore>>>,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(PROCESS_BYTES_MAX / UNIT_BYTES)),
            callers: Mutex::default(),
        }
    }

    /// The room of a caller on a connection that `close` ends.
    pub(crate) fn of(&self, caller: PublicKey, close: CancellationToken) -> Room {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|_, room| room.strong_count() > 0);
        let known = callers.get(&caller).and_then(Weak::upgrade);
        let own = known.unwrap_or_else(|| {
            let own = Arc::new(Semaphore::new(CALLER_BYTES_MAX / UNIT_BYTES));
            callers.insert(caller, Arc::downgrade(&own));
            own
        });
        Room {
            all: Arc::clone(&self.all),
            own,
            close,
        }
    }
}

/// The room of one caller on one connection.
#[derive(Debug, Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
    /// Ends the connection.
    close: CancellationToken,
}

impl Room {
    /// Waits for room for so many bytes, at most those of a message.
    ///
    /// # Errors
    /// Never in fact: room is not closed.
    pub async fn take(&self, bytes: usize) -> Result<Held, Refusal> {
        let units = units(bytes.min(MESSAGE_BYTES_MAX));
        let own = Arc::clone(&self.own).acquire_many_owned(units).await;
        let own = own.map_err(Refusal::internal)?;
        let all = Arc::clone(&self.all).acquire_many_owned(units).await;
        Ok(Held {
            own,
            all: all.map_err(Refusal::internal)?,
            room: self.clone(),
            lies: None,
        })
    }

    /// Closes the connection after [`TAKE_MAX`], unless it is dropped before: the caller took what it was given.
    pub fn closing(&self) -> AbortOnDropHandle<()> {
        self.closing_after(TAKE_MAX)
    }

    fn closing_after(&self, time: Duration) -> AbortOnDropHandle<()> {
        let close = self.close.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(time).await;
            tracing::debug!("a caller does not take what is ready for it");
            close.cancel();
        }))
    }

    /// Makes an answer ready where it may wait for the disk. Room is taken for about `bytes` before, and kept
    /// until the caller took the answer.
    ///
    /// # Errors
    /// What `read` refuses; [`ErrorCode::Overloaded`] if the answer is larger and there is no room for it.
    pub async fn answer<T: Message + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Response<T>, Refusal> {
        let held = self.take(bytes).await?;
        // A caller that goes away does not end the read, and so its room stays taken until then.
        let read = move || Ok::<_, Refusal>((read()?, held));
        let (answer, held) = spawn_blocking(read).await.map_err(Refusal::internal)??;
        held.with(answer)
    }
}

/// Room that is taken, until it is dropped.
#[derive(Debug)]
pub struct Held {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
    room: Room,
    /// Closes the connection if what is offered is not taken in time.
    lies: Option<AbortOnDropHandle<()>>,
}

impl Held {
    /// Gives back what is not needed for so many bytes, or takes what is missing if it is there.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`] if there is no room.
    pub fn fit(&mut self, bytes: usize) -> Result<(), Refusal> {
        let needed = units(bytes);
        let held = u32::try_from(self.own.num_permits()).unwrap_or(u32::MAX);
        if needed <= held {
            let spare = usize::try_from(held - needed).unwrap_or(0);
            drop((self.own.split(spare), self.all.split(spare)));
            return Ok(());
        }
        let more = needed - held;
        let own = Arc::clone(&self.room.own).try_acquire_many_owned(more);
        let all = Arc::clone(&self.room.all).try_acquire_many_owned(more);
        let (Ok(own), Ok(all)) = (own, all) else {
            let why =
                format!("an answer of {bytes} bytes finds no room beside those not taken yet");
            return Err(Refusal::new(ErrorCode::Overloaded, why)
                .hint("take the answers that are ready, then ask again, or for less"));
        };
        self.own.merge(own);
        self.all.merge(all);
        Ok(())
    }

    /// Answers, and keeps the room until the caller took it.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`] if there is no room for an answer of this size.
    pub fn with<T: Message>(mut self, answer: T) -> Result<Response<T>, Refusal> {
        self.fit(answer.encoded_len())?;
        self.offer();
        let mut response = Response::new(answer);
        response.extensions_mut().insert(Attached {
            _held: Arc::new(self),
        });
        Ok(response)
    }

    /// From now on the caller has [`TAKE_MAX`] to take it.
    fn offer(&mut self) {
        self.lies = Some(self.room.closing());
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Room that goes with a response, until its body was sent.
#[derive(Debug, Clone)]
struct Attached {
    _held: Arc<Held>,
}

/// Keeps the room of a response for as long as its body.
pub(crate) fn keep_with_body(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<Kept> {
    let held = response.extensions_mut().remove::<Attached>();
    response.map(|body| Kept { body, _held: held })
}

/// A body, and the room that it takes.
pub(crate) struct Kept {
    body: tonic::body::Body,
    _held: Option<Attached>,
}

impl Body for Kept {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn caller(rooms: &Rooms, number: u8) -> (Room, CancellationToken) {
        let close = CancellationToken::new();
        (rooms.of(PublicKey::new([number; 32]), close.clone()), close)
    }

    /// Keeps S9.
    #[tokio::test]
    async fn caller_that_takes_nothing_holds_up_only_itself() {
        let rooms = Rooms::new();
        let ((greedy, _), (other, _)) = (caller(&rooms, 1), caller(&rooms, 2));
        let mut held = Vec::new();
        while let Some(more) = greedy.take(MESSAGE_BYTES_MAX).now_or_never() {
            held.push(more.unwrap());
        }
        assert_eq!(held.len(), CALLER_BYTES_MAX / MESSAGE_BYTES_MAX);
        assert!(
            caller(&rooms, 1).0.take(1).now_or_never().is_none(),
            "on any connection"
        );
        assert!(other.take(MESSAGE_BYTES_MAX).now_or_never().is_some());
        held[0].fit(1).unwrap();
        assert!(greedy.take(MESSAGE_BYTES_MAX / 2).now_or_never().is_some());
    }

    #[tokio::test]
    async fn answer_larger_than_expected_takes_more_room_or_is_refused() {
        let rooms = Rooms::new();
        let (room, _) = caller(&rooms, 1);
        let mut small = room.take(1).await.unwrap();
        small.fit(MESSAGE_BYTES_MAX).unwrap();
        let _rest = room.take(MESSAGE_BYTES_MAX).await.unwrap();
        let _rest = (_rest, room.take(MESSAGE_BYTES_MAX).await.unwrap());
        let mut last = room.take(1).await.unwrap();
        let refused = last.fit(MESSAGE_BYTES_MAX + UNIT_BYTES).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Overloaded);
    }

    /// Keeps S9.
    #[tokio::test]
    async fn a_connection_whose_caller_lets_lie_what_is_ready_is_closed() {
        let rooms = Rooms::new();
        let (room, close) = caller(&rooms, 1);
        let (other, open) = caller(&rooms, 1);
        drop(other.closing_after(Duration::from_millis(1)));
        let _lies = room.closing_after(Duration::from_millis(1));
        close.cancelled().await;
        assert!(
            !open.is_cancelled(),
            "what was taken in time closes nothing"
        );
    }
}
