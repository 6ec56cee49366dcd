//! Room for answers: bounds the bytes of answers that callers have not taken yet, and the time that they may wait.
//!
//! Code that makes a large answer takes room for it first, and keeps the room until the caller took the answer. A
//! caller that takes nothing for [`TAKE_MAX`] loses its connection: nothing else frees the bytes that wait for it.

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

/// Time for a caller to take an answer that is ready.
pub const TAKE_MAX: Duration = Duration::from_secs(60);
/// Bytes for all callers of a process.
const PROCESS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes for one caller, on all its connections.
const CALLER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room is counted in units of so many bytes.
const UNIT_BYTES: usize = 16 * 1024;
const _: () =
    assert!(MESSAGE_BYTES_MAX <= CALLER_BYTES_MAX && CALLER_BYTES_MAX <= PROCESS_BYTES_MAX);

/// The room of one process.
#[derive(Debug)]
pub(crate) struct Rooms {
    all: Arc<Semaphore>,
    /// Room of each caller that has a connection. Locked only while a caller connects.
    callers: Mutex<BTreeMap<PublicKey, Weak<Semaphore>>>,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(PROCESS_BYTES_MAX / UNIT_BYTES)),
            callers: Mutex::default(),
        }
    }

    /// The room of a caller on one connection. Cancelling `close` ends the connection.
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
    /// Waits for room for `bytes`, at most [`MESSAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// Never: the semaphores are not closed.
    pub async fn take(&self, bytes: usize) -> Result<Held, Refusal> {
        let units = units(bytes.min(MESSAGE_BYTES_MAX));
        let own = Arc::clone(&self.own).acquire_many_owned(units).await;
        let own = own.map_err(Refusal::internal)?;
        let all = Arc::clone(&self.all).acquire_many_owned(units).await;
        Ok(Held {
            own,
            all: all.map_err(Refusal::internal)?,
            room: self.clone(),
            take_deadline: None,
        })
    }

    /// Closes the connection after [`TAKE_MAX`], unless the handle is dropped before. Drop it when the caller took its
    /// answer.
    pub fn closing(&self) -> AbortOnDropHandle<()> {
        self.closing_after(TAKE_MAX)
    }

    fn closing_after(&self, time: Duration) -> AbortOnDropHandle<()> {
        let close = self.close.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(time).await;
            tracing::debug!("closing a connection whose caller did not take its answer");
            close.cancel();
        }))
    }

    /// Runs `read` on a blocking thread and answers with its result. Takes room for `bytes`, an estimate, before, and
    /// keeps it until the caller took the answer.
    ///
    /// # Errors
    /// The refusal of `read`; [`ErrorCode::Overloaded`] if the answer is larger than `bytes` and there is no room.
    pub async fn answer<T: Message + 'static>(
        &self,
        bytes: usize,
        read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Response<T>, Refusal> {
        let held = self.take(bytes).await?;
        // A caller that goes away does not end the read, so its room stays taken until the read ends.
        let read = move || Ok::<_, Refusal>((read()?, held));
        let (answer, held) = spawn_blocking(read).await.map_err(Refusal::internal)??;
        held.with(answer)
    }
}

/// Taken room. Dropping it gives it back.
#[derive(Debug)]
pub struct Held {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
    room: Room,
    /// Closes the connection if the answer is not taken in time.
    take_deadline: Option<AbortOnDropHandle<()>>,
}

impl Held {
    /// Changes the room to that for `bytes`. Gives back the rest at once, or takes the missing part without waiting.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`] if the missing part is not free.
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
            let why = format!("no room for an answer of {bytes} bytes besides those not taken yet");
            return Err(Refusal::new(ErrorCode::Overloaded, why)
                .hint("take the answers that are ready, then ask again, or for less"));
        };
        self.own.merge(own);
        self.all.merge(all);
        Ok(())
    }

    /// Makes a response that keeps the room until the caller took it.
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

    /// Starts the time of [`TAKE_MAX`] in which the caller must take the answer.
    fn offer(&mut self) {
        self.take_deadline = Some(self.room.closing());
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Room that travels with a response until its body was sent.
#[derive(Debug, Clone)]
struct Attached {
    _held: Arc<Held>,
}

/// Moves the room of a response into its body, so that it is given back with the body.
pub(crate) fn keep_with_body(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<Kept> {
    let held = response.extensions_mut().remove::<Attached>();
    response.map(|body| Kept { body, _held: held })
}

/// A body and its room.
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
        let _untaken = room.closing_after(Duration::from_millis(1));
        close.cancelled().await;
        assert!(
            !open.is_cancelled(),
            "an answer taken in time closes nothing"
        );
    }
}
