//! A publisher: signs the statements of clients.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_proto::{
    certificate::{Chain, Holder},
    id::{Id, PublicKey, RecordId},
    namespace::Overlay,
    record::{Canonical, CanonicalType, Record, Update},
    signed::Signer,
    submission::Submission,
    transaction::{Element, Entry, Envelope, POLICY, Transaction},
};

use crate::keys::{Scheme, chain_of, holder_of};

/// Signs transactions, each with its own number.
pub struct Publisher {
    name: String,
    key: Arc<dyn Signer>,
    pub(crate) chain: Arc<Chain>,
    overlay: Overlay,
    count: u64,
}

/// One transaction with all of its records.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The transaction and its records.
    pub submission: Submission,
    /// The certificates of the publisher.
    pub chain: Arc<Chain>,
}

/// The statements about one canonical.
#[derive(Debug, Clone)]
pub struct About {
    /// The name of the canonical.
    pub name: String,
    /// Inserts the canonical: its record comes along.
    pub inserts: bool,
    /// The texts of the updates.
    pub updates: Vec<String>,
}

impl Publication {
    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.submission.transaction.id()
    }

    /// All elements that it adds.
    #[must_use]
    pub fn elements(&self) -> Vec<Element> {
        self.submission.transaction.elements().collect()
    }

    /// The canonicals of its entries.
    #[must_use]
    pub fn canonicals(&self) -> Vec<RecordId> {
        let entries = self.submission.transaction.entries().iter();
        entries.map(|entry| entry.canonical).collect()
    }
}

/// The key of the canonical with this name.
#[must_use]
pub fn canonical(name: &str) -> RecordId {
    RecordId::of(&canonical_record(name))
}

fn canonical_record(name: &str) -> Bytes {
    let canonical = Canonical::identified(CanonicalType::Artefact, name.to_owned());
    Record::Canonical(canonical).encode().unwrap()
}

fn update_record(about: &str, publisher: PublicKey, text: &str) -> Bytes {
    let update = Update {
        reference: canonical(about),
        publisher,
        timestamp_ms: text.len() as u64,
        name: None,
        meta: BTreeMap::from([("said".to_owned(), Ipld::String(text.to_owned()))]),
        previous: Vec::new(),
        links: Vec::new(),
        salt: None,
    };
    Record::Update(update).encode().unwrap()
}

impl Publisher {
    /// The publisher with this name.
    #[must_use]
    pub fn new(name: &str, scheme: Scheme, overlay: Overlay) -> Self {
        Self {
            name: name.to_owned(),
            key: scheme.signer(name),
            chain: Arc::new(chain_of(name)),
            overlay,
            count: 0,
        }
    }

    /// The holder of the publisher's chain.
    #[must_use]
    pub fn holder(&self) -> Holder {
        holder_of(&self.name, self.key.public())
    }

    /// Signs a transaction with one entry for each of `about`.
    pub fn say(&mut self, about: Vec<About>) -> Publication {
        self.count += 1;
        let mut records = BTreeMap::new();
        let mut keep = |bytes: Bytes| {
            let id = RecordId::of(&bytes);
            records.insert(id, bytes);
            id
        };
        let publisher = self.key.public();
        let entry = |about: About| {
            if about.inserts {
                keep(canonical_record(&about.name));
            }
            let updates = about.updates.iter();
            Entry {
                canonical: canonical(&about.name),
                insert: about.inserts,
                updates: updates
                    .map(|text| keep(update_record(&about.name, publisher, text)))
                    .collect(),
            }
        };
        let entries = about.into_iter().map(entry).collect();
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.count.to_be_bytes());
        let envelope = Envelope {
            chain: self.chain.id(),
            policy: POLICY,
            created_ms: self.count,
            nonce,
        };
        let transaction = Transaction::sign(&self.overlay, &envelope, entries, &*self.key).unwrap();
        assert_eq!(transaction.publisher(), publisher);
        Publication {
            submission: Submission {
                transaction: Arc::new(transaction),
                records,
            },
            chain: Arc::clone(&self.chain),
        }
    }
}
