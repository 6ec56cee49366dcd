//! A cache of verified certificate chains of publishers, so that each is verified once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Role, Root},
    id::Id,
    signed::Ed25519,
    transaction::Transaction,
    wire,
};
use thiserror::Error;

/// Chains in the cache; with one more it starts empty.
const KEPT_MAX: usize = 10_000;

/// A verified chain and its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The holder of the chain, and its validity.
    pub holder: Holder,
    /// The certificates, to pass on.
    pub chain: Chain,
}

/// Why a chain does not certify the publisher of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VouchError {
    /// The chain is of another role, or was not valid when the transaction was made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The chain is of another key, or the transaction names another chain.
    #[error("chain {chain:?} does not certify {publisher}, the publisher of the transaction")]
    Other {
        /// The publisher.
        publisher: kittengrad_proto::id::PublicKey,
        /// The chain.
        chain: Id,
    },
}

impl Vouched {
    /// Checks that the chain certifies the publisher of `transaction` at its time.
    ///
    /// # Errors
    /// [`VouchError`] if it does not.
    pub fn check(&self, transaction: &Transaction) -> Result<(), VouchError> {
        let (publisher, envelope) = (transaction.publisher(), transaction.envelope());
        if envelope.chain != self.holder.chain || publisher != self.holder.key {
            return Err(VouchError::Other {
                publisher,
                chain: self.holder.chain,
            });
        }
        self.holder.check_role(&[Role::Client])?;
        Ok(self.holder.check_at(envelope.created_ms)?)
    }
}

/// Verified chains by their ids, shared by all reads of one client.
pub(crate) struct Vouchers {
    root: Root,
    /// Short-lived lock, not held during verification.
    kept: Mutex<BTreeMap<Id, Arc<Vouched>>>,
}

impl Vouchers {
    pub(crate) fn new(root: Root) -> Self {
        Self {
            root,
            kept: Mutex::default(),
        }
    }

    /// Verifies a received chain unless it is in the cache.
    pub(crate) fn verify(&self, wire: wire::Chain) -> Result<Arc<Vouched>, CertificateError> {
        let chain = Chain::from_wire(wire)?;
        if let Some(known) = self.get(&chain.id()) {
            return Ok(known);
        }
        let vouched = Arc::new(Vouched {
            holder: chain.verify(&self.root, &Ed25519)?,
            chain,
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(vouched.chain.id(), Arc::clone(&vouched));
        Ok(vouched)
    }

    /// The chain from the cache.
    pub(crate) fn get(&self, id: &Id) -> Option<Arc<Vouched>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}
