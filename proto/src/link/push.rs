//! Transactions on their way to a replica, and its answer to a push.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::{LinkError, at_most};
use crate::{
    certificate::Chain,
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
pub enum PushRefusal {
    /// The replica does not have the publisher's certificates. The coordinator sends the transaction again, with them.
    #[error("{CHAIN_UNKNOWN}")]
    ChainUnknown,
    /// Any other reason, such as a replica that starts or a full disk. The text is cut to [`ERROR_MESSAGE_BYTES_MAX`] bytes.
    #[error("{0}")]
    Other(String),
}

/// The text that stands for [`PushRefusal::ChainUnknown`].
const CHAIN_UNKNOWN: &str = "CHAIN_UNKNOWN";

impl PushResult {
    pub(super) fn to_wire(&self) -> wire::PushResult {
        let (refused, proofs) = match &self.outcome {
            Ok(proofs) => (
                String::new(),
                proofs.iter().map(ItemProof::to_wire).collect(),
            ),
            Err(refusal) => (refusal.to_text(), Vec::new()),
        };
        wire::PushResult {
            id: Bytes::copy_from_slice(self.id.as_bytes()),
            refused,
            proofs,
        }
    }

    pub(super) fn from_wire(wire: wire::PushResult, overlay: &Overlay) -> Result<Self, LinkError> {
        at_most("proofs", wire.proofs.len(), PROOFS_MAX)?;
        at_most(
            "bytes of refusal",
            wire.refused.len(),
            ERROR_MESSAGE_BYTES_MAX,
        )?;
        let proof = |proof| ItemProof::from_wire(proof, overlay);
        Ok(Self {
            id: Id::from_slice(&wire.id)?,
            outcome: match PushRefusal::from_text(wire.refused) {
                Some(refusal) => Err(refusal),
                None => Ok(wire
                    .proofs
                    .into_iter()
                    .map(proof)
                    .collect::<Result<_, _>>()?),
            },
        })
    }
}

impl PushRefusal {
    /// The text of the wire form. It is never empty, because an empty one means a confirmation.
    fn to_text(&self) -> String {
        let why = self.to_string();
        if why.is_empty() {
            return "refused".to_owned();
        }
        why[..why.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX)].to_owned()
    }

    fn from_text(text: String) -> Option<Self> {
        match text.as_str() {
            "" => None,
            CHAIN_UNKNOWN => Some(Self::ChainUnknown),
            _ => Some(Self::Other(text)),
        }
    }
}
