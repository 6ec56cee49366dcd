//! The worker pool: it makes all checks of a transaction that are pure functions of signed data, outside the core.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{self as journal, StateError};
use kittengrad_node_core::{Delivery, Unverified, entries_to_verify};
use kittengrad_proto::{
    certificate::{CertificateError, Chain, Holder, Root},
    id::{Id, RecordId},
    signed::Ed25519,
    submission::{Submission, SubmissionError},
    transaction::Transaction,
};
use kittengrad_service::views::Views;
use kittengrad_store::RocksStore;
use parking_lot::RwLock;
use thiserror::Error;

/// Verified chains in memory, at most.
const CHAINS_MAX: usize = 10_000;

/// A transaction was refused before it reached the core. Nothing was written.
#[derive(Debug, Error)]
pub(crate) enum VerifyError {
    /// The publisher's certificates are neither in the store nor in the message.
    #[error("this peer does not have certificate chain {0}")]
    ChainUnknown(Id),
    /// The certificates are not a chain below the network's root.
    #[error("publisher's certificates: {0}")]
    Certificate(#[from] CertificateError),
    /// The transaction is invalid for another reason. Every replica refuses it.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A verified chain with its holder.
#[derive(Clone)]
pub(crate) struct Vouched {
    pub(crate) chain: Arc<Chain>,
    holder: Arc<Holder>,
}

/// Checks transactions for one peer.
pub(crate) struct Verifying {
    views: Views,
    root: Root,
    store: Arc<RocksStore>,
    pool: rayon::ThreadPool,
    chains: RwLock<HashMap<Id, Vouched>>,
}

impl Verifying {
    pub(crate) fn new(
        views: Views,
        root: Root,
        store: Arc<RocksStore>,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|n| format!("verify-{n}"))
            .build()?;
        Ok(Self {
            views,
            root,
            store,
            pool,
            chains: RwLock::default(),
        })
    }

    /// Runs `job` on the pool.
    pub(crate) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.pool.spawn(job);
    }

    /// Verifies and keeps a chain from a message, so that later messages need only its id.
    pub(crate) fn learn(&self, chain: Chain) -> Result<Vouched, VerifyError> {
        let id = chain.id();
        if let Some(known) = self.chains.read().get(&id) {
            return Ok(known.clone());
        }
        let holder = Arc::new(chain.verify(&self.root, &Ed25519)?);
        let vouched = Vouched {
            chain: Arc::new(chain),
            holder,
        };
        let mut chains = self.chains.write();
        if chains.len() >= CHAINS_MAX {
            // Each of them can be read from the store, or asked for again.
            chains.clear();
        }
        chains.insert(id, vouched.clone());
        Ok(vouched)
    }

    fn vouched(&self, id: &Id) -> Result<Vouched, VerifyError> {
        if let Some(known) = self.chains.read().get(id) {
            return Ok(known.clone());
        }
        match journal::chain(&*self.store, id)? {
            Some(chain) => self.learn(chain),
            None => Err(VerifyError::ChainUnknown(*id)),
        }
    }

    /// Checks a partner's transaction, for the canonicals that [`entries_to_verify`] names.
    pub(crate) fn check_delivered(
        &self,
        delivery: Delivery,
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
    ) -> Result<(Submission, Arc<Chain>), Unverified> {
        let to_verify = entries_to_verify(&self.views.now(), delivery, &transaction, &records);
        let holds = |canonical: &_| to_verify.contains(canonical);
        self.check_for(transaction, records, holds)
            .map_err(|error| match error {
                VerifyError::ChainUnknown(_) => Unverified::ChainUnknown,
                VerifyError::State(error) => Unverified::Failed(error.to_string()),
                refused => Unverified::Refused(refused.to_string()),
            })
    }

    /// Checks a client's transaction, for the canonicals that this peer holds.
    pub(crate) fn check(
        &self,
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
    ) -> Result<(Submission, Arc<Chain>), VerifyError> {
        let view = self.views.now();
        let holds = |canonical: &_| view.holds_here(canonical);
        self.check_for(transaction, records, holds)
    }

    fn check_for(
        &self,
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
        holds: impl Fn(&RecordId) -> bool,
    ) -> Result<(Submission, Arc<Chain>), VerifyError> {
        let Vouched { chain, holder } = self.vouched(&transaction.envelope().chain)?;
        let submission = Submission::check(transaction, records, &holder, holds, &Ed25519)?;
        Ok((submission, chain))
    }
}
