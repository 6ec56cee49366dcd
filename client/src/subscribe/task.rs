//! Reads a journal's stream from its owner: connects, checks frames in parallel, waits, and connects again.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use kittengrad_client_core::routing::{Backoff, Trouble};
use kittengrad_proto::{
    cursor::Cursor,
    id::PublicKey,
    identity::Beat,
    namespace::Overlay,
    signed::Ed25519,
    wire::{self, cursor_problem::Kind, frame},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tonic::Streaming;

use super::{
    Event, Resume, Start, SubscribeError, SubscribeOptions,
    accuse::{Refused, accuse_of_block, accuse_of_heartbeat},
    frame::{CheckedFrame, FrameFault, check_frame},
    reader::Reader,
};
use crate::{client::Client, clock::random, fault::CallError};

/// Frames that are checked in parallel. With those already passed on, this limits the frames in memory.
const CHECKED_AHEAD: usize = 4;
/// Pauses between connections.
const RECONNECT: Backoff = Backoff {
    base_ms: 200,
    max_ms: 10_000,
};

pub(super) type Sender = mpsc::Sender<Result<Event, SubscribeError>>;

/// A frame after all checks that do not need the other frames.
enum Checked {
    Block(Box<CheckedFrame>),
    Heartbeat(Box<Beat>),
    Problem(SubscribeError),
    /// The source has no block yet, so that it cannot answer to a cursor.
    Unopened,
}

/// The end of one connection.
enum Ended {
    /// Everything requested was sent.
    Done,
    /// Connecting again may help.
    Lost(CallError),
    /// Connecting again does not help.
    Failed(SubscribeError),
    /// The subscription was dropped.
    Dropped,
}

/// The task of one subscription.
pub(super) struct Task {
    pub(super) client: Client,
    pub(super) source: PublicKey,
    pub(super) options: SubscribeOptions,
    pub(super) events: Sender,
}

impl Task {
    /// Runs until the end of the subscription.
    pub(super) async fn run(self) {
        let mut failures = 0;
        let mut progress = Instant::now();
        let mut reader: Option<Reader> = None;
        loop {
            let ended = match self.reader(&mut reader).await {
                Ok(reader) => {
                    reader.begin_connection();
                    self.read(reader, &mut failures, &mut progress).await
                }
                Err(error) => Self::lost(error),
            };
            let error = match ended {
                Ended::Done | Ended::Dropped => return,
                Ended::Failed(error) => return self.fail(error).await,
                Ended::Lost(error) => error,
            };
            if self
                .options
                .give_up_after
                .is_some_and(|limit| progress.elapsed() >= limit)
            {
                return self.fail(SubscribeError::Unreachable(error)).await;
            }
            failures += 1;
            let retry_in = Duration::from_millis(RECONNECT.wait_ms(failures, random()));
            tracing::debug!(source = ?self.source, %error, ?retry_in, "subscription lost");
            if self
                .events
                .send(Ok(Event::Waiting { error, retry_in }))
                .await
                .is_err()
            {
                return;
            }
            sleep(retry_in).await;
        }
    }

    async fn fail(&self, error: SubscribeError) {
        // A dropped subscription needs no event.
        let _ = self.events.send(Err(error)).await;
    }

    fn lost(error: CallError) -> Ended {
        if matches!(error, CallError::Stranger { .. }) {
            return Ended::Failed(SubscribeError::Refused(error));
        }
        match error.trouble() {
            Trouble::Refused | Trouble::Misbehaved => Ended::Failed(SubscribeError::Refused(error)),
            _ => Ended::Lost(error),
        }
    }

    /// The reader, made on the first connection: only the source knows the place of *now*.
    async fn reader<'a>(
        &self,
        reader: &'a mut Option<Reader>,
    ) -> Result<&'a mut Reader, CallError> {
        let start = match (self.options.start.clone(), &reader) {
            (Start::Now, None) => {
                let head = self
                    .client
                    .head_of(&self.source)
                    .await?
                    .heartbeat
                    .map(|heartbeat| heartbeat.head);
                head.map_or(Start::Genesis, |head| {
                    Start::Resume(Resume {
                        head,
                        time_ms: 0,
                        holds: None,
                        offset: None,
                    })
                })
            }
            (start, _) => start,
        };
        Ok(reader.get_or_insert_with(|| Reader::new(self.source, self.options.bodies, start)))
    }

    /// Reads one connection to its end.
    async fn read(&self, reader: &mut Reader, failures: &mut u32, progress: &mut Instant) -> Ended {
        let overlay = Arc::new(self.client.view().overlay().clone());
        let mut stream = match self
            .client
            .attempt(self.source, self.open(reader, &overlay))
            .await
        {
            Ok(stream) => stream,
            Err(error) => return Self::lost(error),
        };
        let silence = Duration::from_millis(self.client.shared.timeouts.silence_ms);
        let mut checks: FuturesOrdered<BoxFuture<'static, Result<Checked, Refused>>> =
            FuturesOrdered::new();
        let mut ended: Option<Ended> = None;
        let mut events = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(checked) = checks.next() => {
                    if let Err(end) = self.take(reader, checked, &mut events) {
                        ended = Some(end);
                        checks.clear();
                    }
                    if !events.is_empty() {
                        (*failures, *progress) = (0, Instant::now());
                    }
                    for event in events.drain(..) {
                        if self.events.send(Ok(event)).await.is_err() {
                            return Ended::Dropped;
                        }
                    }
                    if reader.is_full() && ended.is_none() {
                        ended = Some(Ended::Lost(self.restarted()));
                        checks.clear();
                    }
                }
                frame = timeout(silence, stream.message()), if ended.is_none() && checks.len() < CHECKED_AHEAD => {
                    match self.received(frame) {
                        Ok(Some(frame)) => checks.push_back(self.check(frame, &overlay)),
                        Ok(None) if self.options.follow => ended = Some(Ended::Lost(self.closed())),
                        Ok(None) => ended = Some(Ended::Done),
                        Err(error) => ended = Some(Self::lost(error)),
                    }
                }
                else => return ended.unwrap_or(Ended::Dropped),
            }
        }
    }

    /// Asks the source for the stream from the reader's place.
    async fn open(
        &self,
        reader: &Reader,
        overlay: &Overlay,
    ) -> Result<Streaming<wire::Frame>, CallError> {
        let own_head = self.options.own_head.as_ref();
        let own_head = own_head.and_then(|head| head.borrow().clone());
        let request = wire::SubscribeRequest {
            namespace: overlay.namespace.to_string(),
            bodies: self.options.bodies.to_wire().into(),
            no_follow: !self.options.follow,
            from: Some(reader.from()),
            head: own_head.map(|head| head.to_wire()),
        };
        let stream = self
            .client
            .member(&self.source)?
            .journal()
            .subscribe(request)
            .await;
        stream
            .map(tonic::Response::into_inner)
            .map_err(|status| self.client.error(self.source, &status))
    }

    /// The next frame, or silence for longer than allowed.
    fn received(
        &self,
        frame: Result<Result<Option<wire::Frame>, tonic::Status>, tokio::time::error::Elapsed>,
    ) -> Result<Option<wire::Frame>, CallError> {
        let after_ms = self.client.shared.timeouts.silence_ms;
        match frame {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(status)) => Err(self.client.error(self.source, &status)),
            Err(_) => Err(CallError::TimedOut {
                peer: self.source,
                after_ms,
            }),
        }
    }

    /// Checks a frame alone; a block on a blocking thread.
    fn check(
        &self,
        frame: wire::Frame,
        overlay: &Arc<Overlay>,
    ) -> BoxFuture<'static, Result<Checked, Refused>> {
        let (shared, overlay, bodies) = (
            Arc::clone(&self.client.shared),
            Arc::clone(overlay),
            self.options.bodies,
        );
        match frame.kind {
            Some(frame::Kind::Block(block)) => {
                let check = move || {
                    let accuse = accuse_of_block(&block, &overlay);
                    check_frame(block, bodies, &overlay, &shared.vouchers).map_err(accuse)
                };
                let checked = tokio::task::spawn_blocking(check);
                checked
                    .map(|done| match done {
                        Ok(checked) => Ok(Checked::Block(Box::new(checked?))),
                        // The check does not panic; it is cancelled only when the runtime ends.
                        Err(e) => Err(FrameFault::Problem(e.to_string()).into()),
                    })
                    .boxed()
            }
            Some(frame::Kind::Heartbeat(wire::FrameHeartbeat { heartbeat, through })) => {
                let accuse = accuse_of_heartbeat(heartbeat.as_ref(), &through, &overlay);
                let checked = Beat::from_wire(heartbeat, through, &overlay)
                    .and_then(|beat| beat.heartbeat.verify(&Ed25519).map(|()| beat));
                let checked = checked.map(|beat| Checked::Heartbeat(Box::new(beat)));
                let refused = checked.map_err(|error| accuse(error.into()));
                std::future::ready(refused).boxed()
            }
            Some(frame::Kind::Problem(problem)) => {
                std::future::ready(read_problem(&problem).map_err(Refused::from)).boxed()
            }
            None => std::future::ready(Err(FrameFault::Empty.into())).boxed(),
        }
    }

    /// Takes the next checked frame in order. An error ends the connection.
    fn take(
        &self,
        reader: &mut Reader,
        checked: Result<Checked, Refused>,
        events: &mut Vec<Event>,
    ) -> Result<(), Ended> {
        let tampered = |fault: FrameFault| Ended::Failed(fault.into());
        let checked = checked.map_err(|refused| {
            events.extend(refused.evidence.map(Event::Evidence));
            tampered(refused.fault)
        })?;
        match checked {
            Checked::Block(frame) => reader.accept(*frame, events).map_err(Ended::Failed),
            Checked::Heartbeat(heartbeat) => reader.heartbeat(*heartbeat, events).map_err(tampered),
            Checked::Problem(problem) => Err(Ended::Failed(problem)),
            Checked::Unopened => {
                let why = "its journal has no block yet".to_owned();
                Err(Ended::Lost(CallError::Unreachable {
                    peer: self.source,
                    why,
                }))
            }
        }
    }

    fn closed(&self) -> CallError {
        CallError::Unreachable {
            peer: self.source,
            why: "it closed the stream".to_owned(),
        }
    }

    fn restarted(&self) -> CallError {
        let why = "the stream names more publishers than its limit; it starts again".to_owned();
        CallError::Unreachable {
            peer: self.source,
            why,
        }
    }
}

/// Converts the source's answer to a cursor.
fn read_problem(problem: &wire::CursorProblem) -> Result<Checked, FrameFault> {
    let nonsense = |why: String| FrameFault::Problem(why);
    let start = problem
        .start
        .as_ref()
        .map(|start| Cursor::from_wire(Some(start)))
        .transpose();
    let start = start.map_err(|e| nonsense(e.to_string()))?;
    let needed =
        || start.ok_or_else(|| nonsense("it does not say where to start instead".to_owned()));
    Ok(Checked::Problem(match problem.kind() {
        Kind::TooOld => SubscribeError::TooOld { start: needed()? },
        Kind::UnknownIncarnation => match start {
            Some(start) => SubscribeError::UnknownIncarnation { start },
            None => return Ok(Checked::Unopened),
        },
        Kind::Future => SubscribeError::Future { start: needed()? },
        Kind::OtherJournal => SubscribeError::OtherJournal,
        Kind::Unspecified => return Err(nonsense("it has no kind".to_owned())),
    }))
}
