//! Submissions: a transaction with its records, and the checks that every replica makes.
//!
//! The checks are a pure function of signed data, so that every peer gives the same verdict for ever
//! (`docs/ARCHITECTURE.md`, "A write"). Freshness and load are checked by the coordinator alone.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use thiserror::Error;

use crate::{
    certificate::{CertificateError, Holder, Role},
    id::{Id, PublicKey, RecordId},
    limits::{SUBMISSION_BYTES_MAX, SUBMISSION_RECORDS_MAX},
    record::{self, RecordError, Summary},
    signed::Verifier,
    transaction::{Entry, Transaction, TransactionError},
};

/// Why every replica refuses a submission. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmissionError {
    /// The transaction itself is wrong.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// Transaction and records together are too large.
    #[error("transaction and records have {0} bytes, at most {SUBMISSION_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// More records than a transaction can name.
    #[error(
        "{0} records arrived with the transaction; at most {SUBMISSION_RECORDS_MAX} are allowed"
    )]
    TooManyRecords(usize),
    /// A record that an entry names did not arrive.
    #[error("record {0} is named, but did not arrive with the transaction")]
    MissingRecord(RecordId),
    /// A record is malformed.
    #[error("record {id}: {error}")]
    Record {
        /// The record.
        id: RecordId,
        /// The error.
        error: RecordError,
    },
    /// A record does not belong to its entry.
    #[error("record {id} {why}")]
    Mismatch {
        /// The record.
        id: RecordId,
        /// The reason.
        why: &'static str,
    },
    /// The transaction names another chain than the one that arrived.
    #[error("transaction names certificate chain {named:?}; {found:?} arrived")]
    Chain {
        /// The chain that the transaction names.
        named: Id,
        /// The chain that arrived.
        found: Id,
    },
    /// The certificates are of another key.
    #[error("publisher is {publisher:?}; the certificates are for {holder:?}")]
    Publisher {
        /// The publisher.
        publisher: PublicKey,
        /// The holder of the certificates.
        holder: PublicKey,
    },
    /// The certificates are not of a client, or were not valid at the time.
    #[error("publisher's certificates: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificates are of a role that does not publish.
    #[error("the certificates are for a {0}; only clients publish")]
    Role(Role),
}

/// A completely verified transaction, with the records of the entries it was verified for.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Bytes of the records that the entries name.
    pub records: BTreeMap<RecordId, Bytes>,
}

impl Submission {
    /// Verifies a transaction for the entries whose canonical `holds` accepts.
    /// Cheap checks come first and records last: many records cost more than the signature, and a caller without
    /// certificates must not make peers hash. Records of other entries are left out. `holder` is the holder of the
    /// transaction's chain.
    ///
    /// # Errors
    /// For a transaction that a replica must not admit.
    pub fn check(
        transaction: Arc<Transaction>,
        records: Vec<Bytes>,
        holder: &Holder,
        holds: impl Fn(&RecordId) -> bool,
        verifier: &dyn Verifier,
    ) -> Result<Self, SubmissionError> {
        if records.len() > SUBMISSION_RECORDS_MAX {
            return Err(SubmissionError::TooManyRecords(records.len()));
        }
        let bytes =
            transaction.signed().size_bytes() + records.iter().map(Bytes::len).sum::<usize>();
        if bytes > SUBMISSION_BYTES_MAX {
            return Err(SubmissionError::TooLarge(bytes));
        }
        check_holder(&transaction, holder)?;
        transaction.verify(verifier)?;
        let mut came: BTreeMap<_, _> = records
            .into_iter()
            .map(|bytes| (RecordId::of(&bytes), bytes))
            .collect();
        let mut records = BTreeMap::new();
        for entry in transaction
            .entries()
            .iter()
            .filter(|entry| holds(&entry.canonical))
        {
            check_entry(entry, transaction.publisher(), &mut came, &mut records)?;
        }
        Ok(Self {
            transaction,
            records,
        })
    }

    /// Bytes of transaction and records.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.transaction.signed().size_bytes()
            + self.records.values().map(Bytes::len).sum::<usize>()
    }
}

fn check_holder(transaction: &Transaction, holder: &Holder) -> Result<(), SubmissionError> {
    let envelope = transaction.envelope();
    if envelope.chain != holder.chain {
        return Err(SubmissionError::Chain {
            named: envelope.chain,
            found: holder.chain,
        });
    }
    if transaction.publisher() != holder.key {
        return Err(SubmissionError::Publisher {
            publisher: transaction.publisher(),
            holder: holder.key,
        });
    }
    if holder.role != Role::Client {
        return Err(SubmissionError::Role(holder.role));
    }
    Ok(holder.check_at(envelope.created_ms)?)
}

fn check_entry(
    entry: &Entry,
    publisher: PublicKey,
    came: &mut BTreeMap<RecordId, Bytes>,
    checked: &mut BTreeMap<RecordId, Bytes>,
) -> Result<(), SubmissionError> {
    let mut take = |id: RecordId| {
        let bytes = came.remove(&id).ok_or(SubmissionError::MissingRecord(id))?;
        let summary =
            record::check(&bytes).map_err(|error| SubmissionError::Record { id, error })?;
        checked.insert(id, bytes);
        Ok::<_, SubmissionError>(summary)
    };
    if entry.insert {
        let id = entry.canonical;
        if !matches!(take(id)?, Summary::Canonical { .. }) {
            return Err(SubmissionError::Mismatch {
                id,
                why: "is inserted, but is neither an entity nor an artefact",
            });
        }
    }
    for &id in &entry.updates {
        let mismatch = |why| Err(SubmissionError::Mismatch { id, why });
        match take(id)? {
            Summary::Canonical { .. } => return mismatch("is neither update nor retraction"),
            Summary::Statement { reference, .. } if reference != entry.canonical => {
                return mismatch("refers to another canonical than its entry");
            }
            Summary::Statement {
                publisher: other, ..
            } if other != publisher => {
                return mismatch("is by another publisher than its transaction");
            }
            Summary::Statement { .. } => {}
        }
    }
    Ok(())
}
