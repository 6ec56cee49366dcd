//! Submitting: drafts are grouped by cell, each group is signed once, and the same bytes are sent until acknowledged.

mod answer;
mod draft;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use kittengrad_client_core::routing::GiveUp;
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    block::{Bitmap, Head},
    error::ErrorCode,
    id::{Id, PublicKey, RecordId},
    receipt::Receipt,
    transaction::Transaction,
    wire,
};
use thiserror::Error;

use crate::{ask::Asked, channel::Member, client::Client, clock::wall_ms, fault::CallError};

pub use draft::{Draft, Prepared, SubmitError};
pub use kittengrad_client_core::grouping::Limits as GroupLimits;
pub use kittengrad_overlay::quorum::Ack;

/// Groups of one submission that are on their way at the same time.
const GROUPS_IN_FLIGHT: usize = 8;

const fn ack_to_wire(ack: Ack) -> wire::Ack {
    match ack {
        Ack::One => wire::Ack::One,
        Ack::Quorum => wire::Ack::Quorum,
        Ack::All => wire::Ack::All,
    }
}

/// How to submit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// What counts as acknowledged.
    pub ack: Ack,
    /// Whether to ask for a receipt, which is verified.
    pub receipt: bool,
    /// How large a transaction may become.
    pub limits: GroupLimits,
}

/// Why a signed transaction was not acknowledged. Sending the same again is safe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// A peer refused for a reason that holds at every peer. Nothing was stored.
    #[error("{0}")]
    Refused(CallError),
    /// No peer holds all its canonicals, because the ring changed since it was grouped. Nothing was stored.
    #[error("no peer holds all canonicals of transaction {transaction:?}; group them anew")]
    NoHolder {
        /// The transaction.
        transaction: Id,
    },
    /// It was signed too long ago for any peer to take it before the time for writes is over. Nothing was sent.
    #[error("transaction {transaction:?} was signed too long ago; prepare it anew")]
    NotFresh {
        /// The transaction.
        transaction: Id,
    },
    /// No peer took it in time. It may be on some disks, and then replicates later.
    #[error("transaction {transaction:?} was not taken: {last}")]
    Exhausted {
        /// The transaction.
        transaction: Id,
        /// What the last peer said.
        last: CallError,
    },
}

/// What a peer said about a transaction that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The peer.
    pub peer: PublicKey,
    /// Elements of the transaction that were new to it, or to a peer that took the transaction before it in the same
    /// call, one bit each.
    pub added: Bitmap,
    /// Where its journal has the transaction.
    pub block: Head,
    /// Peers whose disks have all that they hold of it, ascending.
    pub synced: Vec<PublicKey>,
    /// Whether as many disks have it as were asked for. If not, it replicates later.
    pub acknowledged: bool,
    /// The receipt, if it was asked for and the transaction is acknowledged.
    pub receipt: Option<Receipt>,
    /// Canonicals that did not exist there before, ascending.
    pub created: Vec<RecordId>,
}

impl Submitted {
    /// This answer, given after another about the same transaction: what was new to one of the two peers is new,
    /// because the later one may have it from the earlier.
    fn after(mut self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else {
            return self;
        };
        let bits = self
            .added
            .as_bytes()
            .len()
            .max(earlier.added.as_bytes().len())
            * 8;
        let is_new = |bit| self.added.is_set(bit) || earlier.added.is_set(bit);
        self.added = Bitmap::new((0..bits).map(is_new));
        self.created.extend(earlier.created);
        self.created.sort_unstable();
        self.created.dedup();
        self
    }
}

/// What came of one group of a submission.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was signed.
    pub transaction: Arc<Transaction>,
    /// What came of it.
    pub result: Result<Submitted, SendError>,
}

impl Client {
    /// Groups, signs and sends drafts of one publisher. One outcome per transaction, in no promised order.
    ///
    /// There is no atomicity across transactions: some may be acknowledged and others not.
    ///
    /// # Errors
    /// [`SubmitError`] if nothing was sent at all.
    pub async fn submit(
        &self,
        publisher: &PublicKey,
        drafts: Vec<Draft>,
        options: SubmitOptions,
    ) -> Result<Vec<Outcome>, SubmitError> {
        let prepared = self.prepare(publisher, drafts, options.limits)?;
        let outcomes: Vec<_> = stream::iter(prepared)
            .map(|prepared| async move {
                let result = self.send(&prepared, options).await;
                (prepared, result)
            })
            .buffer_unordered(GROUPS_IN_FLIGHT)
            .collect()
            .await;
        let mut done = Vec::with_capacity(outcomes.len());
        for (prepared, result) in outcomes {
            if !matches!(
                result,
                Err(SendError::NoHolder { .. } | SendError::NotFresh { .. })
            ) {
                done.push(Outcome {
                    transaction: prepared.transaction,
                    result,
                });
                continue;
            }
            // The ring changed in between, or it waited too long for its turn. Signing anew is safe: elements are the
            // same, so nothing is said twice.
            let again = match self.prepare(publisher, prepared.drafts(), options.limits) {
                Ok(again) => again,
                Err(error) => {
                    // What became of the other groups is told all the same.
                    tracing::warn!(%error, "a group cannot be signed anew");
                    done.push(Outcome {
                        transaction: prepared.transaction,
                        result,
                    });
                    continue;
                }
            };
            for prepared in again {
                let result = self.send(&prepared, options).await;
                done.push(Outcome {
                    transaction: prepared.transaction,
                    result,
                });
            }
        }
        Ok(done)
    }

    /// Sends a signed transaction to a peer that holds all its canonicals, and the same bytes to another one
    /// until it is acknowledged or the time for writes is over.
    ///
    /// # Errors
    /// [`SendError`]; sending the same again is always safe.
    pub async fn send(
        &self,
        prepared: &Prepared,
        options: SubmitOptions,
    ) -> Result<Submitted, SendError> {
        let transaction = prepared.transaction.id();
        let patience = self.write_patience();
        if !prepared.is_fresh(wall_ms(), patience.call_ms) {
            return Err(SendError::NotFresh { transaction });
        }
        let canonicals = || {
            prepared
                .transaction
                .entries()
                .iter()
                .map(|entry| &entry.canonical)
        };
        let route = |view: &View| (view.holders_of_all(canonicals()), 1);
        // What peers said that have it, but not yet on enough disks.
        let taken = Mutex::new(None);
        let ask = |member: Member| {
            let taken = &taken;
            async move {
                let submitted = self.submit_to(&member, prepared, options).await?;
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                let submitted = submitted.after(taken.take());
                if submitted.acknowledged {
                    return Ok(submitted);
                }
                let (peer, synced) = (submitted.peer, submitted.synced.len());
                *taken = Some(submitted);
                Err(CallError::Unacknowledged { peer, synced })
            }
        };
        let Asked {
            mut answers,
            errors,
            given_up,
        } = self.ask(patience, route, ask).await;
        if let Some((_, submitted)) = answers.pop() {
            return Ok(submitted);
        }
        if let Some(submitted) = taken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Ok(submitted);
        }
        match (errors.into_iter().last(), given_up) {
            (Some(refusal), Some(GiveUp::Refused { .. })) => Err(SendError::Refused(refusal)),
            (Some(last), Some(GiveUp::Exhausted | GiveUp::TimedOut)) => {
                Err(SendError::Exhausted { transaction, last })
            }
            _ => Err(SendError::NoHolder { transaction }),
        }
    }

    /// One attempt at one peer; a second one with the chain if the peer does not know it.
    async fn submit_to(
        &self,
        member: &Member,
        prepared: &Prepared,
        options: SubmitOptions,
    ) -> Result<Submitted, CallError> {
        let chain = prepared.chain.id();
        let is_told = member.was_told(&chain);
        match self.submit_once(member, prepared, options, !is_told).await {
            Err(e) if is_told && e.code() == Some(ErrorCode::ChainUnknown) => {
                self.submit_once(member, prepared, options, true).await
            }
            done => done,
        }
    }

    async fn submit_once(
        &self,
        member: &Member,
        prepared: &Prepared,
        options: SubmitOptions,
        with_chain: bool,
    ) -> Result<Submitted, CallError> {
        let request = wire::SubmitRequest {
            namespace: self.view().overlay().namespace.to_string(),
            transaction: Some(prepared.transaction.signed().to_wire()),
            records: prepared.records.clone(),
            chain: with_chain.then(|| prepared.chain.to_wire()),
            ack: ack_to_wire(options.ack).into(),
            receipt: options.receipt,
        };
        let before = member.moment();
        let answer = member.store().submit(request).await;
        let answer = answer
            .map_err(|status| self.error(member.key(), &status))?
            .into_inner();
        if with_chain {
            member.tell(prepared.chain.id(), before);
        }
        self.read_answer(member.key(), prepared, options, answer)
    }
}
