//! Asking members until enough of them answered: runs the state machine of one call with sockets and clocks.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use kittengrad_client_core::routing::{Call, GiveUp, Patience, Step};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    id::PublicKey,
    identity::{Identity, IdentityError},
    signed::Ed25519,
};
use tokio::time::{sleep_until, timeout};

use crate::{channel::Member, client::Client, clock::random, fault::CallError};

/// The result of asking several members.
pub(crate) struct Asked<T> {
    /// Good answers, in the order of arrival.
    pub(crate) answers: Vec<(PublicKey, T)>,
    /// All errors, in order.
    pub(crate) errors: Vec<CallError>,
    /// The reason for too few answers; `None` if there are enough.
    pub(crate) given_up: Option<GiveUp>,
}

impl Client {
    /// Waits for one answer of `peer`, at most as long as an attempt may take.
    pub(crate) async fn attempt<T>(
        &self,
        peer: PublicKey,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let after_ms = self.shared.timeouts.attempt_ms;
        match timeout(Duration::from_millis(after_ms), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TimedOut { peer, after_ms }),
        }
    }

    /// Asks members until enough of them answered, the call's patience is over, or no member is left.
    /// `route` returns the members to ask, the preferred first, and how many must answer. It is called again with each
    /// new view.
    pub(crate) async fn ask<T, A>(
        &self,
        patience: Patience,
        route: impl Fn(&View) -> (Vec<PublicKey>, usize),
        ask: impl Fn(Member) -> A,
    ) -> Asked<T>
    where
        A: Future<Output = Result<T, CallError>>,
    {
        let now_ms = || self.shared.clock.now_ms();
        let (candidates, needed) = route(&self.view());
        let candidates = self.health().order(candidates, now_ms());
        let mut call = Call::new(patience, candidates, needed, now_ms());
        let mut asked = Asked {
            answers: Vec::new(),
            errors: Vec::new(),
            given_up: None,
        };
        let mut running = FuturesUnordered::new();
        loop {
            let until_ms = match call.step(now_ms()) {
                Step::Done => return asked,
                Step::GiveUp(why) => {
                    asked.given_up = Some(why);
                    return asked;
                }
                Step::Ask(peer) => {
                    let answer = self.member(&peer).map(&ask);
                    running.push(async move {
                        let answer = match answer {
                            Ok(answer) => self.attempt(peer, answer).await,
                            Err(e) => Err(e),
                        };
                        (peer, answer)
                    });
                    continue;
                }
                Step::Reroute { told_by } => {
                    self.learn(&told_by, asked.errors.last()).await;
                    let (candidates, needed) = route(&self.view());
                    call.need(needed);
                    call.rerouted(self.health().order(candidates, now_ms()), now_ms());
                    continue;
                }
                Step::Wait { until_ms } => until_ms,
            };
            tokio::select! {
                Some((peer, answer)) = running.next() => match answer {
                    Ok(answer) => {
                        self.health().answered(peer);
                        call.answered(peer);
                        asked.answers.push((peer, answer));
                    }
                    Err(error) => {
                        let (trouble, random) = (error.trouble(), random());
                        tracing::debug!(peer = ?peer, %error, "a replica did not answer well");
                        self.health().failed(peer, trouble, now_ms(), random);
                        call.failed(peer, trouble, now_ms(), random);
                        asked.errors.push(error);
                    }
                },
                () = sleep_until(self.shared.clock.at(until_ms)) => {}
            }
        }
    }

    /// Learns the ring from a member that knows another one: from the members in its refusal, and from its answer to
    /// `GetRing`. Identities that do not verify are ignored.
    async fn learn(&self, told_by: &PublicKey, error: Option<&CallError>) {
        let mut heard = match error {
            Some(CallError::Refused { responsible, .. }) => responsible
                .iter()
                .flat_map(|replicas| replicas.peers.iter().cloned())
                .collect(),
            _ => Vec::new(),
        };
        match self.ring_of(told_by).await {
            Ok(view) => heard.extend(view.members),
            Err(error) => tracing::debug!(peer = ?told_by, %error, "the ring cannot be learnt"),
        }
        if let Err(error) = self.take_in(heard) {
            tracing::warn!(peer = ?told_by, %error, "a peer tells of members that do not verify");
        }
    }

    /// Publishes a newer view if an identity in `heard` is newer.
    fn take_in(&self, heard: Vec<Identity>) -> Result<(), IdentityError> {
        let mut failed = Ok(());
        // The channel stays locked, so that two calls that hear of different members lose neither.
        self.shared.views.send_if_modified(|view| {
            match view.learn(heard, &self.shared.root, &Ed25519) {
                Ok(Some(newer)) => {
                    *view = Arc::new(newer);
                    return true;
                }
                Ok(None) => {}
                Err(error) => failed = Err(error),
            }
            false
        });
        failed
    }
}
