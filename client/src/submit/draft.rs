//! Drafts: grouped by cell, checked with the rules of a replica, and signed once per group.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_client_core::grouping::{Group, GroupError, Limits, Want, group};
use kittengrad_overlay::view::View;
use kittengrad_proto::{
    certificate::{CertificateError, Chain},
    id::{PublicKey, RecordId},
    limits::{CREATED_PAST_MS_MAX, NONCE_BYTES},
    record::{self, Record, RecordError, Summary},
    transaction::{Entry, Envelope, POLICY, Transaction, TransactionError},
};
use thiserror::Error;

use crate::{client::Client, clock::wall_ms, publisher::Publisher};

/// Statements about one canonical, as records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The canonical.
    pub canonical: RecordId,
    /// Its record, to insert it. Inserting a canonical that exists changes nothing.
    pub insert: Option<Bytes>,
    /// Records of updates and retractions that refer to it.
    pub updates: Vec<Bytes>,
}

impl Draft {
    /// Inserts a canonical.
    ///
    /// # Errors
    /// If the record breaks a rule or limit.
    pub fn insert(canonical: &Record) -> Result<Self, RecordError> {
        let bytes = canonical.encode()?;
        Ok(Self {
            canonical: RecordId::of(&bytes),
            insert: Some(bytes),
            updates: Vec::new(),
        })
    }

    /// Adds a statement about a canonical that exists.
    ///
    /// # Errors
    /// If the record breaks a rule or limit.
    pub fn update(canonical: RecordId, update: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            canonical,
            insert: None,
            updates: vec![update.encode()?],
        })
    }
}

/// Why nothing was signed and nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// This client does not have the publisher's key.
    #[error("this client has no key of publisher {0}; add a [[publisher]] to its configuration")]
    Publisher(PublicKey),
    /// The publisher's certificates are not valid now.
    #[error("publisher: {0}")]
    Certificate(#[from] CertificateError),
    /// A record is malformed.
    #[error("record {id}: {error}")]
    Record {
        /// The record.
        id: RecordId,
        /// The error.
        error: RecordError,
    },
    /// A record does not belong into its draft.
    #[error("record {id} {why}")]
    Mismatch {
        /// The record.
        id: RecordId,
        /// The reason.
        why: &'static str,
    },
    /// A draft does not fit into any transaction.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A transaction cannot be made.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The system returned no random bytes.
    #[error("the system returned no random bytes: {0}")]
    Random(String),
}

/// A signed transaction with its records. Sending it again sends the same bytes.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) transaction: Arc<Transaction>,
    pub(super) records: Vec<Bytes>,
    pub(super) chain: Chain,
}

impl Prepared {
    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// The records of its entries.
    #[must_use]
    pub fn records(&self) -> &[Bytes] {
        &self.records
    }

    /// Whether peers will still accept it when a call of `call_ms` from now ends.
    pub(super) fn is_fresh(&self, now_ms: u64, call_ms: u64) -> bool {
        is_fresh(self.transaction.envelope().created_ms, now_ms, call_ms)
    }

    /// Converts the transaction back to drafts.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        let records: BTreeMap<_, _> = self
            .records
            .iter()
            .map(|bytes| (RecordId::of(bytes), bytes))
            .collect();
        let take = |id: &RecordId| records.get(id).map(|bytes| Bytes::clone(bytes));
        let draft = |entry: &Entry| Draft {
            canonical: entry.canonical,
            insert: entry.insert.then(|| take(&entry.canonical)).flatten(),
            updates: entry.updates.iter().filter_map(take).collect(),
        };
        self.transaction.entries().iter().map(draft).collect()
    }
}

impl Client {
    /// Groups and signs drafts of one publisher. [`Client::send`] sends the result.
    ///
    /// # Errors
    /// If a record is wrong or the publisher cannot sign.
    pub fn prepare(
        &self,
        publisher: &PublicKey,
        drafts: Vec<Draft>,
        limits: Limits,
    ) -> Result<Vec<Prepared>, SubmitError> {
        let publisher = self
            .publishers()
            .iter()
            .find(|found| found.key() == *publisher)
            .ok_or(SubmitError::Publisher(*publisher))?;
        let created_ms = wall_ms();
        publisher.holder().check_at(created_ms)?;
        let mut records = BTreeMap::new();
        let mut wants = Vec::with_capacity(drafts.len());
        for draft in drafts {
            wants.push(check(draft, publisher.key(), &mut records)?);
        }
        let view = self.view();
        let groups = group(view.ring(), wants, limits)?;
        let sign = |group: Group| sign(publisher, &view, group.entries, created_ms, &records);
        groups.into_iter().map(sign).collect()
    }
}

/// Checks the records of a draft with the rules of a replica, and adds them to `records`.
fn check(
    draft: Draft,
    publisher: PublicKey,
    records: &mut BTreeMap<RecordId, Bytes>,
) -> Result<Want, SubmitError> {
    let Draft {
        canonical,
        insert,
        updates,
    } = draft;
    let summary =
        |id, bytes: &Bytes| record::check(bytes).map_err(|error| SubmitError::Record { id, error });
    let insert_bytes = insert.as_ref().map(Bytes::len);
    if let Some(bytes) = insert {
        let id = RecordId::of(&bytes);
        if id != canonical {
            return Err(SubmitError::Mismatch {
                id,
                why: "is not the canonical that its draft names",
            });
        }
        if !matches!(summary(id, &bytes)?, Summary::Canonical { .. }) {
            return Err(SubmitError::Mismatch {
                id,
                why: "is inserted, but is neither an entity nor an artefact",
            });
        }
        records.insert(id, bytes);
    }
    let mut sizes = Vec::with_capacity(updates.len());
    for bytes in updates {
        let id = RecordId::of(&bytes);
        let why = match summary(id, &bytes)? {
            Summary::Canonical { .. } => "is neither update nor retraction",
            Summary::Statement { reference, .. } if reference != canonical => {
                "refers to another canonical than its draft"
            }
            Summary::Statement {
                publisher: other, ..
            } if other != publisher => "is by another publisher than the one who submits it",
            Summary::Statement { .. } => {
                sizes.push((id, bytes.len()));
                records.insert(id, bytes);
                continue;
            }
        };
        return Err(SubmitError::Mismatch { id, why });
    }
    Ok(Want {
        canonical,
        insert: insert_bytes,
        updates: sizes,
    })
}

/// Signs one group.
fn sign(
    publisher: &Publisher,
    view: &View,
    entries: Vec<Entry>,
    created_ms: u64,
    records: &BTreeMap<RecordId, Bytes>,
) -> Result<Prepared, SubmitError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|e| SubmitError::Random(e.to_string()))?;
    let envelope = Envelope {
        chain: publisher.chain().id(),
        policy: POLICY,
        created_ms,
        nonce,
    };
    let names = entries.iter().flat_map(|entry| {
        entry
            .insert
            .then_some(entry.canonical)
            .into_iter()
            .chain(entry.updates.iter().copied())
    });
    let records = names.filter_map(|id| records.get(&id).cloned()).collect();
    let transaction = Transaction::sign(view.overlay(), &envelope, entries, publisher.signer())?;
    Ok(Prepared {
        transaction: Arc::new(transaction),
        records,
        chain: publisher.chain().clone(),
    })
}

fn is_fresh(created_ms: u64, now_ms: u64, call_ms: u64) -> bool {
    let age_ms = now_ms.saturating_sub(created_ms);
    // With a longer timeout, the peer decides.
    let call_ms = call_ms.min(CREATED_PAST_MS_MAX / 2);
    age_ms.saturating_add(call_ms) <= CREATED_PAST_MS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_grow_old_while_it_is_sent_is_signed_anew() {
        const NOW_MS: u64 = 1_790_000_000_000;
        const CALL_MS: u64 = 60_000;
        let oldest_ms = NOW_MS - CREATED_PAST_MS_MAX + CALL_MS;
        assert!(is_fresh(NOW_MS, NOW_MS, CALL_MS));
        assert!(
            is_fresh(NOW_MS + 5_000, NOW_MS, CALL_MS),
            "the clock was set back"
        );
        assert!(is_fresh(oldest_ms, NOW_MS, CALL_MS));
        assert!(!is_fresh(oldest_ms - 1, NOW_MS, CALL_MS));
        assert!(is_fresh(NOW_MS, NOW_MS, u64::MAX), "any patience can send");
    }
}
