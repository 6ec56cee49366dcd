//! Transactions: one signature of a publisher over one or many entries.

use bytes::Bytes;
use prost::Message;
use thiserror::Error;

use crate::{
    id::{Id, IdError, PublicKey, RecordId},
    limits::{
        NONCE_BYTES, TRANSACTION_BYTES_MAX, TRANSACTION_ENTRIES_MAX, TRANSACTION_UPDATES_MAX,
    },
    namespace::{ForeignError, Overlay},
    signed::{Kind, Signed, SignedError, Signer, Verifier},
    wire,
};

/// The version of a transaction that this program reads and writes.
const VERSION: u32 = 1;

/// The policy in force: no stamp, certificates checked at `created_ms`.
pub const POLICY: u64 = 1;

/// An element of the set (rfd 2): a canonical that was inserted bare, or one update of a canonical.
///
/// The set of a peer is a grow-only set of elements. A canonical exists if an element names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The canonical.
    pub canonical: RecordId,
    /// The update; `None` for a bare insert.
    pub update: Option<RecordId>,
}

/// The part of a transaction about one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The canonical.
    pub canonical: RecordId,
    /// Whether the canonical's record comes with the transaction.
    pub insert: bool,
    /// Updates and retractions, strictly ascending; none only where `insert` is set.
    pub updates: Vec<RecordId>,
}

impl Entry {
    /// The elements of this entry: its updates, or the bare insert.
    pub fn elements(&self) -> impl Iterator<Item = Element> + '_ {
        let bare = self.updates.is_empty().then_some(Element {
            canonical: self.canonical,
            update: None,
        });
        let updates = self.updates.iter().map(|&update| Element {
            canonical: self.canonical,
            update: Some(update),
        });
        bare.into_iter().chain(updates)
    }
}

/// All fields of a transaction except publisher and entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Id of the publisher's certificate chain.
    pub chain: Id,
    /// Version of the policy in force.
    pub policy: u64,
    /// Unix time in milliseconds.
    pub created_ms: u64,
    /// Makes the id unique.
    pub nonce: [u8; NONCE_BYTES],
}

/// Why bytes are not a transaction. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// Missing, too large or forged.
    #[error("transaction: {0}")]
    Signed(#[from] SignedError),
    /// Not a protobuf message, or one with a field that is unknown, repeated or out of range.
    #[error("transaction is malformed: {0}")]
    Malformed(String),
    /// It belongs to another network or namespace.
    #[error("transaction of another network or namespace: {0}")]
    Foreign(#[from] ForeignError),
    /// The version of the format is unknown.
    #[error("transaction has version {0}; this program knows {VERSION}")]
    Version(u32),
    /// A policy that this program does not know.
    #[error("transaction names policy {0}; policy {POLICY} is in force")]
    Policy(u64),
    /// A name has a wrong length.
    #[error("transaction: {0}")]
    Id(#[from] IdError),
    /// Too many elements of a list.
    #[error("transaction has {count} {what}, at most {max} are allowed")]
    TooMany {
        /// The list.
        what: &'static str,
        /// The number of its elements.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Entries or updates are not strictly ascending, or an entry is empty.
    #[error("transaction's entry {entry} {why}")]
    Entry {
        /// Number of the entry, from 0.
        entry: usize,
        /// The error.
        why: &'static str,
    },
}

/// A transaction whose structure was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    signed: Signed,
    publisher: PublicKey,
    envelope: Envelope,
    entries: Vec<Entry>,
}

impl Transaction {
    /// Sorts and signs `entries`.
    ///
    /// # Errors
    /// If there are too many, two name the same canonical, or one is empty. Nothing is signed then.
    pub fn sign(
        overlay: &Overlay,
        envelope: &Envelope,
        mut entries: Vec<Entry>,
        publisher: &dyn Signer,
    ) -> Result<Self, TransactionError> {
        entries.sort_by_key(|entry| entry.canonical);
        for entry in &mut entries {
            entry.updates.sort_unstable();
        }
        let body = wire::Transaction {
            version: VERSION,
            network: Bytes::copy_from_slice(overlay.network.as_bytes()),
            namespace: overlay.namespace.to_string(),
            publisher: Bytes::copy_from_slice(publisher.public().as_bytes()),
            chain: Bytes::copy_from_slice(envelope.chain.as_bytes()),
            policy: envelope.policy,
            created_ms: envelope.created_ms,
            nonce: Bytes::copy_from_slice(&envelope.nonce),
            stamp: Bytes::new(),
            entries: entries.iter().map(entry_to_wire).collect(),
        };
        let signed = Signed::new(Kind::Transaction, body.encode_to_vec().into(), publisher);
        Self::from_wire(Some(signed.to_wire()), overlay)
    }

    /// Checks the structure of a received transaction; [`Transaction::verify`] checks its signature.
    ///
    /// # Errors
    /// For bytes that are not exactly a transaction of `overlay` within the limits.
    pub fn from_wire(
        wire: Option<wire::Signed>,
        overlay: &Overlay,
    ) -> Result<Self, TransactionError> {
        let signed = Signed::from_wire(Kind::Transaction, wire, TRANSACTION_BYTES_MAX)?;
        let malformed = |why: String| TransactionError::Malformed(why);
        let body = wire::Transaction::decode(signed.body().clone())
            .map_err(|e| malformed(e.to_string()))?;
        if body.version != VERSION {
            return Err(TransactionError::Version(body.version));
        }
        overlay.check(&body.network, &body.namespace)?;
        if body.policy != POLICY {
            return Err(TransactionError::Policy(body.policy));
        }
        // Skipped fields are bytes too: see "Unknown fields" in `signed`.
        if body.encoded_len() != signed.body().len() {
            return Err(malformed(
                "it says more than version 1 can, or something twice".to_owned(),
            ));
        }
        if !body.stamp.is_empty() {
            return Err(malformed(
                "it has a stamp, which policy 1 does not know".to_owned(),
            ));
        }
        let nonce = body.nonce[..].try_into().map_err(|_| {
            malformed(format!(
                "its nonce has {} bytes, not {NONCE_BYTES}",
                body.nonce.len()
            ))
        })?;
        let envelope = Envelope {
            chain: Id::from_slice(&body.chain)?,
            policy: body.policy,
            created_ms: body.created_ms,
            nonce,
        };
        let publisher = PublicKey::from_slice(&body.publisher)?;
        Ok(Self {
            signed,
            publisher,
            envelope,
            entries: entries_from_wire(&body.entries)?,
        })
    }

    /// Reads a stored transaction: bytes of [`Signed::encode`].
    ///
    /// # Errors
    /// As [`Transaction::from_wire`].
    pub fn decode(bytes: Bytes, overlay: &Overlay) -> Result<Self, TransactionError> {
        let wire =
            wire::Signed::decode(bytes).map_err(|e| TransactionError::Malformed(e.to_string()))?;
        Self::from_wire(Some(wire), overlay)
    }

    /// Verifies the publisher's signature.
    ///
    /// # Errors
    /// [`TransactionError::Signed`] if it is forged.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), TransactionError> {
        Ok(self.signed.verify(&self.publisher, verifier)?)
    }

    /// SHA-256 of the signed message.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.signed.id()
    }

    /// The object as received.
    #[must_use]
    pub const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The publisher.
    #[must_use]
    pub const fn publisher(&self) -> PublicKey {
        self.publisher
    }

    /// All fields except publisher and entries.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The entries, ascending by canonical.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All elements in order; their positions are the bits of a block's bitmap.
    pub fn elements(&self) -> impl Iterator<Item = Element> + '_ {
        self.entries.iter().flat_map(Entry::elements)
    }
}

fn entry_to_wire(entry: &Entry) -> wire::Entry {
    let insert = if entry.insert {
        wire::Insert::Record
    } else {
        wire::Insert::Unspecified
    };
    wire::Entry {
        canonical: Bytes::copy_from_slice(entry.canonical.as_bytes()),
        insert: insert.into(),
        updates: RecordId::concat(&entry.updates),
    }
}

fn entries_from_wire(wire: &[wire::Entry]) -> Result<Vec<Entry>, TransactionError> {
    at_most("entries", wire.len(), TRANSACTION_ENTRIES_MAX)?;
    if wire.is_empty() {
        return Err(TransactionError::Entry {
            entry: 0,
            why: "is missing",
        });
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(wire.len());
    let mut updates = 0;
    for (number, wire) in wire.iter().enumerate() {
        let entry = entry_from_wire(number, wire)?;
        if entries
            .last()
            .is_some_and(|before| before.canonical >= entry.canonical)
        {
            return Err(TransactionError::Entry {
                entry: number,
                why: "is not above the one before",
            });
        }
        updates += entry.updates.len();
        at_most("updates", updates, TRANSACTION_UPDATES_MAX)?;
        entries.push(entry);
    }
    Ok(entries)
}

fn entry_from_wire(number: usize, wire: &wire::Entry) -> Result<Entry, TransactionError> {
    let refuse = |why| TransactionError::Entry { entry: number, why };
    let insert = match wire::Insert::try_from(wire.insert) {
        Ok(wire::Insert::Unspecified) => false,
        Ok(wire::Insert::Record) => true,
        Ok(wire::Insert::Raw) => return Err(refuse("inserts raw bytes, which policy 1 refuses")),
        Err(_) => return Err(refuse("inserts in an unknown way")),
    };
    at_most("updates", wire.updates.len() / 32, TRANSACTION_UPDATES_MAX)?;
    let updates = RecordId::list_from_slice(&wire.updates)?;
    if !updates.is_sorted_by(|a, b| a < b) {
        return Err(refuse("has updates that are not strictly ascending"));
    }
    if updates.is_empty() && !insert {
        return Err(refuse("says nothing"));
    }
    Ok(Entry {
        canonical: RecordId::from_slice(&wire.canonical)?,
        insert,
        updates,
    })
}

const fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), TransactionError> {
    if count > max {
        Err(TransactionError::TooMany { what, count, max })
    } else {
        Ok(())
    }
}
