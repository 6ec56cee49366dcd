//! Keys, submissions and blocks for tests of journals and stores. The signatures are fast and forgeable.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_journal::{FollowError, Follower, Step, StoredBlock};
use kittengrad_proto::{
    block::{Block, Header, HeaderFields},
    id::{Id, PublicKey, RecordId},
    merkle::Tree,
    namespace::Overlay,
    signed::{SIGNATURE_BYTES, Signer, Verifier},
    submission::Submission,
    transaction::{Entry, Envelope, POLICY, Transaction},
};

/// A network and namespace for tests.
pub fn overlay() -> Overlay {
    Overlay {
        network: Id::of(&[b"a network for tests"]),
        namespace: "tests".parse().unwrap(),
    }
}

/// A signature scheme that is fast and forgeable: a hash of key and message.
#[derive(Debug, Clone, Copy)]
pub struct Fake;

/// A key of the fake scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FakeKey(pub u8);

impl FakeKey {
    fn signature(key: &PublicKey, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..32].copy_from_slice(Id::of(&[key.as_bytes(), message]).as_bytes());
        signature
    }
}

impl Signer for FakeKey {
    fn public(&self) -> PublicKey {
        PublicKey::new([self.0; 32])
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        Self::signature(&self.public(), message)
    }
}

impl Verifier for Fake {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        FakeKey::signature(key, message) == *signature
    }
}

/// The publisher of all transactions in tests.
pub const PUBLISHER: FakeKey = FakeKey(0xee);

/// The record with this number. Its bytes are not DAG-CBOR, because a journal does not decode records.
pub fn record(number: u64, bytes: usize) -> Bytes {
    let mut record = number.to_be_bytes().to_vec();
    record.resize(bytes.max(8), 0xab);
    record.into()
}

/// The entry of a transaction about one canonical: its number, whether it is inserted, the updates' numbers.
pub type EntrySpec = (u64, bool, Vec<u64>);

/// A signed transaction with its records of `record_bytes` each. Equal arguments make equal transactions.
pub fn submission_of(nonce: u8, entries: &[EntrySpec], record_bytes: usize) -> Submission {
    let mut records = BTreeMap::new();
    let mut keep = |number| {
        let bytes = record(number, record_bytes);
        let id = RecordId::of(&bytes);
        records.insert(id, bytes);
        id
    };
    let mut entry = |(canonical, insert, updates): &EntrySpec| {
        let canonical = if *insert {
            keep(*canonical)
        } else {
            RecordId::of(&record(*canonical, record_bytes))
        };
        let updates = updates.iter().map(|update| keep(*update)).collect();
        Entry {
            canonical,
            insert: *insert,
            updates,
        }
    };
    let entries = entries.iter().map(&mut entry).collect();
    sign(Id::ZERO, nonce, entries, records)
}

/// A transaction of a publisher that inserts a canonical of its own. The number stands for the publisher's chain.
pub fn submission_by(publisher: u64) -> Submission {
    let bytes = record(publisher, 100);
    let canonical = RecordId::of(&bytes);
    let entry = Entry {
        canonical,
        insert: true,
        updates: Vec::new(),
    };
    let chain = Id::of(&[&publisher.to_be_bytes()]);
    sign(chain, 0, vec![entry], [(canonical, bytes)].into())
}

fn sign(
    chain: Id,
    nonce: u8,
    entries: Vec<Entry>,
    records: BTreeMap<RecordId, Bytes>,
) -> Submission {
    let envelope = Envelope {
        chain,
        policy: POLICY,
        created_ms: 1_000,
        nonce: [nonce; 16],
    };
    let transaction = Transaction::sign(&overlay(), &envelope, entries, &PUBLISHER).unwrap();
    Submission {
        transaction: Arc::new(transaction),
        records,
    }
}

/// A transaction with small records.
pub fn submission(nonce: u8, entries: &[EntrySpec]) -> Submission {
    submission_of(nonce, entries, 100)
}

/// Following a journal in a test that asks for nothing but the step.
pub trait Stepping {
    /// Accepts a block, and returns how it continues the journal.
    ///
    /// # Errors
    /// If it does not.
    fn step(&mut self, block: &Block, verifier: &dyn Verifier) -> Result<Step, FollowError>;
}

impl Stepping for Follower {
    fn step(&mut self, block: &Block, verifier: &dyn Verifier) -> Result<Step, FollowError> {
        self.accept(block, verifier).map(|accepted| accepted.step)
    }
}

/// A signed block of any items, without a link to another block.
pub fn stored_block(incarnation: u64, height: u64, items: Vec<Bytes>, offset: u64) -> StoredBlock {
    let fields = HeaderFields {
        incarnation,
        height,
        previous: Id::ZERO,
        time_ms: 1,
        items_root: Tree::new(items.iter().map(|item| &item[..])).root(),
        item_count: u32::try_from(items.len()).unwrap(),
        fork: None,
        checkpoint: None,
        hold: 0,
    };
    let header = Header::sign(&overlay(), &fields, &FakeKey(1));
    StoredBlock {
        block: Block {
            header,
            items,
            through: kittengrad_proto::checkpoint::ThroughList::default(),
        },
        offset,
    }
}
