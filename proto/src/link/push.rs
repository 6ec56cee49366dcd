//! Transactions on their way to a replica, and its answer to a push.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::{LinkError, at_most};
use crate::{
    certificate::Chain,
    error::{ErrorCode, cut_message},
    id::Id,
    limits::{ERROR_MESSAGE_BYTES_MAX, PROOFS_MAX, SUBMISSION_RECORDS_MAX},
    namespace::Overlay,
    receipt::ItemProof,
    transaction::Transaction,
    wire,
};

/// A transaction with the records of the entries that the receiver holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Records, in any order.
    pub records: Vec<Bytes>,
    /// The publisher's chain, once per connection.
    pub chain: Option<Chain>,
}

impl Push {
    pub(super) fn to_wire(&self) -> wire::Push {
        wire::Push {
            transaction: Some(self.transaction.signed().to_wire()),
            records: self.records.clone(),
            chain: self.chain.as_ref().map(Chain::to_wire),
        }
    }

    pub(super) fn from_wire(wire: wire::Push, overlay: &Overlay) -> Result<Self, LinkError> {
        at_most("records", wire.records.len(), SUBMISSION_RECORDS_MAX)?;
        Ok(Self {
            transaction: Arc::new(Transaction::from_wire(wire.transaction, overlay)?),
            records: wire.records,
            chain: wire.chain.map(Chain::from_wire).transpose()?,
        })
    }
}

/// Answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    /// Id of the transaction.
    pub id: Id,
    /// The proof of each element in the replica's journal, or the reason for its refusal.
    pub outcome: Result<Vec<ItemProof>, PushRefusal>,
}

/// Why a replica did not confirm a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} ({code})")]
pub struct PushRefusal {
    /// The cause. After [`ErrorCode::ChainUnknown`] the coordinator sends the transaction again, with the publisher's
    /// certificates. After any other code the replica gets the transaction from its partners' journals.
    pub code: ErrorCode,
    /// The cause, for people. At most [`ERROR_MESSAGE_BYTES_MAX`] bytes of it travel.
    pub message: String,
}

impl PushRefusal {
    /// A refusal with this cause.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn to_wire(&self) -> wire::PushRefusal {
        wire::PushRefusal {
            code: self.code.to_wire().into(),
            message: cut_message(&self.message).to_owned(),
        }
    }

    fn from_wire(wire: wire::PushRefusal) -> Result<Self, LinkError> {
        at_most(
            "bytes of refusal",
            wire.message.len(),
            ERROR_MESSAGE_BYTES_MAX,
        )?;
        Ok(Self {
            // A newer replica has more codes. None of them asks the coordinator for anything that it could do.
            code: ErrorCode::from_wire(wire.code).unwrap_or(ErrorCode::Internal),
            message: wire.message,
        })
    }
}

impl PushResult {
    pub(super) fn to_wire(&self) -> wire::PushResult {
        let (refusal, proofs) = match &self.outcome {
            Ok(proofs) => (None, proofs.iter().map(ItemProof::to_wire).collect()),
            Err(refusal) => (Some(refusal.to_wire()), Vec::new()),
        };
        wire::PushResult {
            id: Bytes::copy_from_slice(self.id.as_bytes()),
            refusal,
            proofs,
        }
    }

    pub(super) fn from_wire(wire: wire::PushResult, overlay: &Overlay) -> Result<Self, LinkError> {
        at_most("proofs", wire.proofs.len(), PROOFS_MAX)?;
        let proof = |proof| ItemProof::from_wire(proof, overlay);
        Ok(Self {
            id: Id::from_slice(&wire.id)?,
            outcome: match wire.refusal {
                Some(refusal) => Err(PushRefusal::from_wire(refusal)?),
                None => Ok(wire
                    .proofs
                    .into_iter()
                    .map(proof)
                    .collect::<Result<_, _>>()?),
            },
        })
    }
}
