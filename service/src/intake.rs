//! Intake: counts the bytes of unanswered requests as they arrive, and bounds them for one caller and for all.
//!
//! A limit for one message bounds nothing while callers may send many: 64 calls on each of 1,024 connections, each one
//! byte short of its end, would be 256 GiB. A caller beyond a bound gets `OVERLOADED` and tries again.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use kittengrad_proto::{id::PublicKey, limits::SUBMIT_BYTES_MAX};
use tonic::{Status, body::Body, codegen::http::Request};
use tower::{Layer, Service};

use crate::{
    caller::Caller,
    status::{ErrorCode, Refusal},
};

/// Bytes of all requests that have no answer yet.
const ALL_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of the unanswered requests of one caller, so that one caller leaves room for others.
const CALLER_BYTES_MAX: usize = ALL_BYTES_MAX / 2;
const _: () = assert!(SUBMIT_BYTES_MAX < CALLER_BYTES_MAX);

/// The bound of one server, as a layer around all its calls. Clones share their counts.
#[derive(Clone)]
pub(crate) struct Intake {
    held: Arc<Mutex<Counts>>,
    all_bytes_max: usize,
    caller_bytes_max: usize,
}

/// Bytes held now. Their lock is never held while waiting.
#[derive(Default)]
struct Counts {
    all_bytes: usize,
    /// Bytes of each caller that holds any.
    callers: BTreeMap<PublicKey, usize>,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            held: Arc::default(),
            all_bytes_max: ALL_BYTES_MAX,
            caller_bytes_max: CALLER_BYTES_MAX,
        }
    }
}

impl Intake {
    fn held(&self) -> MutexGuard<'_, Counts> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for Intake {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        let intake = self.clone();
        Bounded { inner, intake }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub(crate) struct Bounded<S> {
    inner: S,
    intake: Intake,
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let caller = request.extensions().get::<Caller>();
        let share = Arc::new(Share {
            intake: self.intake.clone(),
            caller: caller.map(|caller| caller.holder.key),
            bytes: AtomicUsize::new(0),
        });
        let counted = Arc::clone(&share);
        let request = request.map(|body| {
            Body::new(Counted {
                body,
                share: counted,
            })
        });
        let answered = self.inner.call(request);
        Box::pin(async move {
            let answer = answered.await;
            drop(share);
            answer
        })
    }
}

/// The bytes that one call holds. They are given back when the call is answered and its request is dropped.
struct Share {
    intake: Intake,
    caller: Option<PublicKey>,
    bytes: AtomicUsize,
}

impl Share {
    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let mut held = self.intake.held();
        let of_caller = self.caller.and_then(|caller| held.callers.get(&caller));
        let of_caller = of_caller.copied().unwrap_or_default() + bytes;
        let overloaded = |why: String| Err(Refusal::new(ErrorCode::Overloaded, why));
        if of_caller > self.intake.caller_bytes_max {
            return overloaded(format!(
                "{of_caller} bytes of this caller wait for an answer; at most {}",
                self.intake.caller_bytes_max
            ));
        }
        let of_all = held.all_bytes + bytes;
        if of_all > self.intake.all_bytes_max {
            return overloaded(format!(
                "{of_all} bytes of all callers wait for an answer; at most {}",
                self.intake.all_bytes_max
            ));
        }
        held.all_bytes = of_all;
        if let Some(caller) = self.caller {
            held.callers.insert(caller, of_caller);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        let mut held = self.intake.held();
        held.all_bytes -= bytes;
        let Some(caller) = self.caller else {
            return;
        };
        let left = held.callers.get(&caller).map_or(0, |held| held - bytes);
        if left == 0 {
            held.callers.remove(&caller);
        } else {
            held.callers.insert(caller, left);
        }
    }
}

/// A request's body. Each frame is counted as it arrives.
struct Counted {
    body: Body,
    share: Arc<Share>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Err(refusal) = self.share.take(data.len())
        {
            return Poll::Ready(Some(Err(refusal.into())));
        }
        polled
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
    use std::{convert::Infallible, future::poll_fn};

    use kittengrad_proto::{
        certificate::{Holder, Role},
        id::Id,
    };
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use tower::service_fn;

    use super::*;
    use crate::room::Rooms;

    fn request(caller: u8, bytes: usize) -> Request<Body> {
        let holder = Holder {
            key: PublicKey::new([caller; 32]),
            role: Role::Client,
            name: "somebody".to_owned(),
            issuer: PublicKey::new([0; 32]),
            not_before_ms: 0,
            not_after_ms: u64::MAX,
            chain: Id::ZERO,
        };
        let body = axum::body::Body::from(vec![7; bytes]);
        let mut request = Request::new(Body::new(body));
        request.extensions_mut().insert(Caller {
            holder: Arc::new(holder),
            address: "127.0.0.1:1".parse().unwrap(),
            room: Rooms::new().of(PublicKey::new([1; 32]), CancellationToken::new()),
        });
        request
    }

    /// Reads the whole request.
    async fn read(mut body: Body) -> Result<(), Status> {
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            frame?;
        }
        Ok(())
    }

    /// Keeps S9.
    #[tokio::test]
    async fn what_was_sent_counts_until_it_is_answered() {
        let intake = Intake {
            all_bytes_max: 100,
            caller_bytes_max: 60,
            ..Intake::default()
        };
        let (answer, answers) = watch::channel(false);
        let mut server = intake.layer(service_fn(move |request: Request<Body>| {
            let mut answers = answers.clone();
            async move {
                let was_read = read(request.into_body()).await.is_ok();
                if was_read {
                    answers.wait_for(|answer| *answer).await.unwrap();
                }
                Ok::<_, Infallible>(was_read)
            }
        }));
        let first = tokio::spawn(server.call(request(1, 50)));
        let second = tokio::spawn(server.call(request(2, 40)));
        while intake.held().all_bytes < 90 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            server.call(request(1, 11)).await,
            Ok(false),
            "the caller's bound"
        );
        assert_eq!(
            server.call(request(3, 11)).await,
            Ok(false),
            "the bound for all"
        );
        answer.send(true).unwrap();
        assert_eq!(server.call(request(3, 10)).await, Ok(true));
        assert!(first.await.unwrap() == Ok(true) && second.await.unwrap() == Ok(true));
        let held = intake.held();
        assert_eq!((held.all_bytes, held.callers.len()), (0, 0));
    }
}
