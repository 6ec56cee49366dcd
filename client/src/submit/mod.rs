//! Submitting: groups drafts by cell, signs each group once, and sends the same bytes until they are acknowledged.

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

/// Groups of one submission in flight.
const GROUPS_IN_FLIGHT: usize = 8;

const fn ack_to_wire(ack: Ack) -> wire::Ack {
    match ack {
        Ack::One => wire::Ack::One,
        Ack::Quorum => wire::Ack::Quorum,
        Ack::All => wire::Ack::All,
    }
}

/// Options of a submission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// Disks that make an acknowledgement.
    pub ack: Ack,
    /// Whether to ask for a receipt, which is verified.
    pub receipt: bool,
    /// Limits of one transaction.
    pub limits: GroupLimits,
}

/// Why a signed transaction was not acknowledged. Sending it again is safe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// A peer refused for a reason that holds at every peer. Nothing was stored.
    #[error("{0}")]
    Refused(CallError),
    /// No peer holds all its canonicals, because the ring changed after grouping. Nothing was stored.
    #[error("no peer holds all canonicals of transaction {transaction:?}; group the drafts again")]
    NoHolder {
        /// The transaction.
        transaction: Id,
    },
    /// Peers will not accept it any more, because it was signed too long ago. Nothing was sent.
    #[error("transaction {transaction:?} was signed too long ago; prepare it again")]
    NotFresh {
        /// The transaction.
        transaction: Id,
    },
    /// No peer accepted it in time. It may be on some disks, and replicates later.
    #[error("transaction {transaction:?} was not accepted: {last}")]
    Exhausted {
        /// The transaction.
        transaction: Id,
        /// The error of the last peer.
        last: CallError,
    },
}

/// The answer of a peer that accepted a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The peer.
    pub peer: PublicKey,
    /// Elements of the transaction that were new, one bit each: new to this peer, or to a peer that accepted the
    /// transaction earlier in the same call.
    pub added: Bitmap,
    /// The block of its journal that has the transaction.
    pub block: Head,
    /// Peers whose disks have all their elements of the transaction, ascending.
    pub synced: Vec<PublicKey>,
    /// Whether as many disks have it as requested. If not, it replicates later.
    pub acknowledged: bool,
    /// The receipt, if it was requested and the transaction is acknowledged.
    pub receipt: Option<Receipt>,
    /// Canonicals that did not exist at that peer, ascending.
    pub created: Vec<RecordId>,
}

impl Submitted {
    /// Adds an earlier answer about the same transaction. An element that was new to one of the two peers is new,
    /// because the later one may have it from the earlier one.
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

/// The result of one group of a submission.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The signed transaction.
    pub transaction: Arc<Transaction>,
    /// The result.
    pub result: Result<Submitted, SendError>,
}

impl Client {
    /// Groups, signs and sends drafts of one publisher. Returns one outcome per transaction, in any order.
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
            // The ring changed, or the group waited too long. Signing again is safe: the elements are the same, so
            // nothing is added twice.
            let again = match self.prepare(publisher, prepared.drafts(), options.limits) {
                Ok(again) => again,
                Err(error) => {
                    // The outcomes of the other groups are returned too.
                    tracing::warn!(%error, "cannot sign a group again");
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

    /// Sends a signed transaction to a peer that holds all its canonicals, and the same bytes to further ones, until it
    /// is acknowledged or the timeout for writes ends.
    ///
    /// # Errors
    /// [`SendError`]. Sending the transaction again is always safe.
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
        // Answers of peers that have it, without enough disks so far.
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

    /// Makes one attempt at one peer, and a second one with the chain if the peer does not know the chain.
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
