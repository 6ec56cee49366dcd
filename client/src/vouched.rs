//! Publishers' certificate chains that were verified, so that each is verified once.

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

/// Chains that are kept; with more the cache begins anew.
const KEPT_MAX: usize = 10_000;

/// A verified chain and whom it vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Whom the chain vouches for, and when.
    pub holder: Holder,
    /// The certificates, to pass on.
    pub chain: Chain,
}

/// Why a transaction is not vouched for by a chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VouchError {
    /// The chain is of another role, or was not in force when the transaction was made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The chain vouches for another key, or the transaction names another chain.
    #[error("transaction of {publisher} is not vouched for by chain {chain:?}")]
    Other {
        /// Who signed.
        publisher: kittengrad_proto::id::PublicKey,
        /// The chain.
        chain: Id,
    },
}

impl Vouched {
    /// Checks that the chain vouches for the publisher of `transaction` at the time it was made.
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

/// Verified chains by their ids; shared by all that one client reads.
pub(crate) struct Vouchers {
    root: Root,
    /// Short-lived lock; verification happens outside of it.
    kept: Mutex<BTreeMap<Id, Arc<Vouched>>>,
}

impl Vouchers {
    pub(crate) fn new(root: Root) -> Self {
        Self {
            root,
            kept: Mutex::default(),
        }
    }

    /// Verifies a received chain, unless that was done before.
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

    /// A chain that was verified before.
    pub(crate) fn get(&self, id: &Id) -> Option<Arc<Vouched>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}
