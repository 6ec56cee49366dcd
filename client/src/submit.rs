//! Submitting: drafts are grouped by cell, each group is signed once, and the same bytes are sent until acknowledged.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client_core::{
    grouping::{GroupError, Limits, Want, group},
    routing::GiveUp,
};
use kittengrad_proto::{
    block::{Bitmap, Head},
    certificate::{CertificateError, Chain},
    error::ErrorCode,
    id::{Id, PublicKey, RecordId},
    limits::NONCE_BYTES,
    receipt::Receipt,
    record::{self, Record, RecordError, Summary},
    signed::Ed25519,
    transaction::{Entry, Envelope, POLICY, Transaction, TransactionError},
    wire,
};
use thiserror::Error;

use crate::{
    channel::Member,
    client::{Asked, Client},
    clock::wall_ms,
    fault::CallError,
    network::Network,
    publisher::Publisher,
};

pub use kittengrad_client_core::grouping::Limits as GroupLimits;

/// Groups of one submission that are on their way at the same time.
const GROUPS_IN_FLIGHT: usize = 8;

/// What is to be said about one canonical, as records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The canonical.
    pub canonical: RecordId,
    /// Its record, if it is to be inserted. Inserting what exists changes nothing.
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
        Ok(Self { canonical: RecordId::of(&bytes), insert: Some(bytes), updates: Vec::new() })
    }

    /// Says something about a canonical that exists.
    ///
    /// # Errors
    /// If the record breaks a rule or limit.
    pub fn update(canonical: RecordId, update: &Record) -> Result<Self, RecordError> {
        Ok(Self { canonical, insert: None, updates: vec![update.encode()?] })
    }
}

/// How many disks must have a transaction before it counts as acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ack {
    /// That of the peer it is sent to.
    One,
    /// A majority of the replicas of each cell.
    #[default]
    Quorum,
    /// All replicas of each cell.
    All,
}

impl Ack {
    const fn to_wire(self) -> wire::Ack {
        match self {
            Self::One => wire::Ack::One,
            Self::Quorum => wire::Ack::Quorum,
            Self::All => wire::Ack::All,
        }
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

/// Why nothing was signed and nothing sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// This client does not have the publisher's key.
    #[error("this client does not speak for {0}; a [[publisher]] in its configuration makes it do so")]
    Publisher(PublicKey),
    /// The publisher's certificates are not in force.
    #[error("publisher: {0}")]
    Certificate(#[from] CertificateError),
    /// A record is malformed.
    #[error("record {id}: {error}")]
    Record {
        /// Which record.
        id: RecordId,
        /// What is wrong with it.
        error: RecordError,
    },
    /// A record does not say what its draft needs it to say.
    #[error("record {id} {why}")]
    Mismatch {
        /// Which record.
        id: RecordId,
        /// What does not fit.
        why: &'static str,
    },
    /// A draft can be in no transaction.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A transaction cannot be made.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The system gives no random numbers.
    #[error("there is no randomness: {0}")]
    Random(String),
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
    /// No peer took it in time. It may be on some disks, and then replicates later.
    #[error("transaction {transaction:?} was not taken: {last}")]
    Exhausted {
        /// The transaction.
        transaction: Id,
        /// What the last peer said.
        last: CallError,
    },
}

/// A signed transaction with its records: what is sent, and sent again.
#[derive(Debug, Clone)]
pub struct Prepared {
    transaction: Arc<Transaction>,
    records: Vec<Bytes>,
    chain: Chain,
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

    /// What it says, as drafts again.
    fn drafts(&self) -> Vec<Draft> {
        let records: BTreeMap<_, _> = self.records.iter().map(|bytes| (RecordId::of(bytes), bytes)).collect();
        let take = |id: &RecordId| records.get(id).map(|bytes| Bytes::clone(bytes));
        let draft = |entry: &Entry| Draft {
            canonical: entry.canonical,
            insert: entry.insert.then(|| take(&entry.canonical)).flatten(),
            updates: entry.updates.iter().filter_map(take).collect(),
        };
        self.transaction.entries().iter().map(draft).collect()
    }
}

/// What a peer said about a transaction that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The peer.
    pub peer: PublicKey,
    /// Elements of the transaction that were new to it, one bit each.
    pub added: Bitmap,
    /// Where its journal has the transaction.
    pub block: Head,
    /// Peers whose disks have all that they hold of it, ascending.
    pub synced: Vec<PublicKey>,
    /// Whether as many disks have it as were asked for. If not, it replicates later.
    pub acknowledged: bool,
    /// The receipt, if it was asked for and the transaction is acknowledged.
    pub receipt: Option<Receipt>,
    /// Canonicals that did not exist at the peer before, ascending.
    pub created: Vec<RecordId>,
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
            if !matches!(result, Err(SendError::NoHolder { .. })) {
                done.push(Outcome { transaction: prepared.transaction, result });
                continue;
            }
            // The ring changed in between. Signing anew is safe: elements are the same, so nothing is said twice.
            for prepared in self.prepare(publisher, prepared.drafts(), options.limits)? {
                let result = self.send(&prepared, options).await;
                done.push(Outcome { transaction: prepared.transaction, result });
            }
        }
        Ok(done)
    }

    /// Groups and signs drafts of one publisher, to be sent by [`Client::send`].
    ///
    /// # Errors
    /// If a record is wrong or the publisher cannot sign.
    pub fn prepare(
        &self,
        publisher: &PublicKey,
        drafts: Vec<Draft>,
        limits: Limits,
    ) -> Result<Vec<Prepared>, SubmitError> {
        let publisher = self.publishers().iter().find(|found| found.key() == *publisher).ok_or(
            SubmitError::Publisher(*publisher),
        )?;
        let created_ms = wall_ms();
        publisher.holder().check_at(created_ms)?;
        let mut records = BTreeMap::new();
        let mut wants = Vec::with_capacity(drafts.len());
        for draft in drafts {
            wants.push(check(draft, publisher.key(), &mut records)?);
        }
        let network = self.network();
        let groups = group(network.ring(), wants, limits)?;
        let sign = |group: kittengrad_client_core::grouping::Group| {
            sign(publisher, &network, group.entries, created_ms, &records)
        };
        groups.into_iter().map(sign).collect()
    }

    /// Sends a signed transaction to a peer that holds all its canonicals, and the same bytes to another one
    /// until it is acknowledged or the time for writes is over.
    ///
    /// # Errors
    /// [`SendError`]; sending the same again is always safe.
    pub async fn send(&self, prepared: &Prepared, options: SubmitOptions) -> Result<Submitted, SendError> {
        let transaction = prepared.transaction.id();
        let canonicals = || prepared.transaction.entries().iter().map(|entry| &entry.canonical);
        let route = |network: &Network| (network.holders_of_all(canonicals()), 1);
        // The last answer of a peer that has it, but not yet on enough disks.
        let taken = std::sync::Mutex::new(None);
        let ask = |member: Member| {
            let taken = &taken;
            async move {
                let submitted = self.submit_to(&member, prepared, options).await?;
                if submitted.acknowledged {
                    return Ok(submitted);
                }
                let (peer, synced) = (submitted.peer, submitted.synced.len());
                *taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(submitted);
                Err(CallError::Unacknowledged { peer, synced })
            }
        };
        let Asked { mut answers, errors, given_up } = self.ask(self.write_patience(), route, ask).await;
        if let Some((_, submitted)) = answers.pop() {
            return Ok(submitted);
        }
        if let Some(submitted) = taken.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
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
            namespace: self.network().overlay().namespace.to_string(),
            transaction: Some(prepared.transaction.signed().to_wire()),
            records: prepared.records.clone(),
            chain: with_chain.then(|| prepared.chain.to_wire()),
            ack: options.ack.to_wire().into(),
            receipt: options.receipt,
        };
        let before = member.moment();
        let answer = member.store().submit(request).await;
        let answer = answer.map_err(|status| self.error(member.key(), &status))?.into_inner();
        if with_chain {
            member.tell(prepared.chain.id(), before);
        }
        self.read_answer(member.key(), prepared, options, answer)
    }

    /// Checks a peer's answer against what was sent.
    fn read_answer(
        &self,
        peer: PublicKey,
        prepared: &Prepared,
        options: SubmitOptions,
        answer: wire::SubmitResponse,
    ) -> Result<Submitted, CallError> {
        let misbehaved = |why: String| CallError::Misbehaved { peer, why };
        let transaction = &prepared.transaction;
        if answer.id[..] != transaction.id().as_bytes()[..] {
            return Err(misbehaved("it answers about another transaction".to_owned()));
        }
        let elements = transaction.elements().count();
        if answer.added.len() != elements.div_ceil(8) {
            let bytes = answer.added.len();
            return Err(misbehaved(format!("its bitmap has {bytes} bytes for {elements} elements")));
        }
        let synced = answer.synced.iter().map(|key| PublicKey::from_slice(key));
        let mut synced: Vec<_> = synced.collect::<Result<_, _>>().map_err(|e| misbehaved(e.to_string()))?;
        synced.sort_unstable();
        synced.dedup();
        let mut created = RecordId::list_from_slice(&answer.created).map_err(|e| misbehaved(e.to_string()))?;
        created.sort_unstable();
        let block = Head::from_wire(answer.block.as_ref()).map_err(|e| misbehaved(e.to_string()))?;
        let receipt = match answer.receipt.filter(|_| options.receipt) {
            Some(receipt) => Some(self.check_receipt(receipt, transaction).map_err(misbehaved)?),
            None if options.receipt && answer.acknowledged => {
                return Err(misbehaved("it acknowledges without the receipt asked for".to_owned()));
            }
            None => None,
        };
        Ok(Submitted {
            peer,
            added: Bitmap::from_bytes(answer.added),
            block: block.ok_or_else(|| misbehaved("it does not say where its journal has it".to_owned()))?,
            synced,
            acknowledged: answer.acknowledged,
            receipt,
            created,
        })
    }

    fn check_receipt(&self, wire: wire::Receipt, transaction: &Transaction) -> Result<Receipt, String> {
        let network = self.network();
        let receipt = Receipt::from_wire(wire, network.overlay()).map_err(|e| e.to_string())?;
        receipt.verify(network.root(), &Ed25519).map_err(|e| e.to_string())?;
        if receipt.transaction.id() == transaction.id() {
            Ok(receipt)
        } else {
            Err("the receipt is for another transaction".to_owned())
        }
    }
}

/// Checks the records of a draft like a replica will, and remembers them by their names.
fn check(
    draft: Draft,
    publisher: PublicKey,
    records: &mut BTreeMap<RecordId, Bytes>,
) -> Result<Want, SubmitError> {
    let Draft { canonical, insert, updates } = draft;
    let summary = |id, bytes: &Bytes| {
        record::check(bytes).map_err(|error| SubmitError::Record { id, error })
    };
    let insert_bytes = insert.as_ref().map(Bytes::len);
    if let Some(bytes) = insert {
        let id = RecordId::of(&bytes);
        if id != canonical {
            return Err(SubmitError::Mismatch { id, why: "is not the canonical that its draft names" });
        }
        if !matches!(summary(id, &bytes)?, Summary::Canonical { .. }) {
            return Err(SubmitError::Mismatch { id, why: "is inserted, but is no entity or artefact" });
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
            Summary::Statement { publisher: other, .. } if other != publisher => {
                "is by another publisher than the one who submits it"
            }
            Summary::Statement { .. } => {
                sizes.push((id, bytes.len()));
                records.insert(id, bytes);
                continue;
            }
        };
        return Err(SubmitError::Mismatch { id, why });
    }
    Ok(Want { canonical, insert: insert_bytes, updates: sizes })
}

/// Signs one group.
fn sign(
    publisher: &Publisher,
    network: &Network,
    entries: Vec<Entry>,
    created_ms: u64,
    records: &BTreeMap<RecordId, Bytes>,
) -> Result<Prepared, SubmitError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|e| SubmitError::Random(e.to_string()))?;
    let envelope = Envelope { chain: publisher.chain().id(), policy: POLICY, created_ms, nonce };
    let names = entries.iter().flat_map(|entry| {
        entry.insert.then_some(entry.canonical).into_iter().chain(entry.updates.iter().copied())
    });
    let records = names.filter_map(|id| records.get(&id).cloned()).collect();
    let transaction = Transaction::sign(network.overlay(), &envelope, entries, publisher.signer())?;
    Ok(Prepared { transaction: Arc::new(transaction), records, chain: publisher.chain().clone() })
}
