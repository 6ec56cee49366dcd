//! The worker pool: everything about a transaction that is a pure function of signed data is checked here, beside the core.

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

/// Chains that are kept in memory, verified.
const CHAINS_MAX: usize = 10_000;

/// Why a transaction was refused before it reached the core. Nothing changed.
#[derive(Debug, Error)]
pub(crate) enum VerifyError {
    /// The publisher's certificates are neither here nor in the message.
    #[error("certificate chain {0} is not here")]
    ChainUnknown(Id),
    /// The certificates are no chain below our root.
    #[error("publisher's certificates: {0}")]
    Certificate(#[from] CertificateError),
    /// Everything else that every replica refuses.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
    /// The store did not answer.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A chain that was verified, with whom it vouches for.
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

    /// Takes a chain that came with a message, so that later messages may name it only.
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
            // All of them can be read from the store or asked for again.
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

    /// Checks what a partner sent, for the canonicals that it has to be checked for.
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
