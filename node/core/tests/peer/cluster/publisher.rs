//! A publisher: what clients say, signed.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_proto::{
    certificate::Chain,
    id::{Id, RecordId},
    namespace::Overlay,
    signed::Signer as _,
    submission::Submission,
    transaction::{Element, Entry, Envelope, POLICY, Transaction},
};

use super::keys::{Key, chain_of};

/// Signs transactions, each with a number of its own.
pub(crate) struct Publisher {
    key: Key,
    pub(crate) chain: Arc<Chain>,
    overlay: Overlay,
    said: u64,
}

/// One transaction with all of its records.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) submission: Submission,
    pub(crate) chain: Arc<Chain>,
}

/// What is said about one thing.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) inserts: bool,
    /// The updates, by their texts.
    pub(crate) updates: Vec<String>,
}

impl Said {
    pub(crate) fn id(&self) -> Id {
        self.submission.transaction.id()
    }

    pub(crate) fn elements(&self) -> Vec<Element> {
        self.submission.transaction.elements().collect()
    }
}

/// The key of a thing.
pub(crate) fn canonical(name: &str) -> RecordId {
    RecordId::of(&canonical_record(name))
}

fn canonical_record(name: &str) -> Bytes {
    format!("the thing called {name}").into_bytes().into()
}

impl Publisher {
    pub(crate) fn new(name: &str, overlay: Overlay) -> Self {
        Self {
            key: Key::named(name),
            chain: Arc::new(chain_of(name)),
            overlay,
            said: 0,
        }
    }

    /// Signs a transaction.
    pub(crate) fn say(&mut self, about: Vec<About>) -> Said {
        self.said += 1;
        let mut records = BTreeMap::new();
        let mut keep = |bytes: Bytes| {
            let id = RecordId::of(&bytes);
            records.insert(id, bytes);
            id
        };
        let entry = |about: About| {
            if about.inserts {
                keep(canonical_record(&about.name));
            }
            let updates = about.updates.iter();
            Entry {
                canonical: canonical(&about.name),
                insert: about.inserts,
                updates: updates.map(|text| keep(text.clone().into())).collect(),
            }
        };
        let entries = about.into_iter().map(entry).collect();
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.said.to_be_bytes());
        let envelope = Envelope {
            chain: self.chain.id(),
            policy: POLICY,
            created_ms: self.said,
            nonce,
        };
        let transaction = Transaction::sign(&self.overlay, &envelope, entries, &self.key).unwrap();
        assert_eq!(transaction.publisher(), self.key.public());
        let transaction = Arc::new(transaction);
        Said {
            submission: Submission {
                transaction,
                records,
            },
            chain: Arc::clone(&self.chain),
        }
    }
}
