//! Digests of sets of documents: the same documents give the same digest, in any order and over any shards.
//!
//! Each document is hashed to 1,024 lanes of 16 bits, and lanes are added. Addition commutes and has an inverse: one
//! changed document costs the same among ten others or ten million, and the digests of shards add up to the digest of
//! the whole. With so many lanes, finding two sets with the same sum is an infeasible lattice problem. With sums of
//! plain 32-byte hashes it would be feasible.
//!
//! # Source
//! Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing: Incrementality at Reduced Cost"
//! (1997); Lewi, Kim, Maykov and Weis, "Securing Update Propagation with Homomorphic Hashing" (2019).

use std::fmt;

use data_encoding::HEXLOWER;
use kittengrad_client_core::view::document::{Claim, Document};
use kittengrad_proto::{heads::Standing, id::Id};
use thiserror::Error;

/// Why a text is not a digest. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("digest has {found} characters, not {expected} hexadecimal ones", expected = LANES * 4)]
pub struct DigestError {
    found: usize,
}

/// Hashes the content of a document: equal documents have equal hashes, and different ones different hashes.
///
/// A record's name is its hash, so it is enough to hash the names, their order and their standings.
#[must_use]
pub fn document_hash(document: &Document) -> Id {
    let mut bytes = Vec::with_capacity(33 + document.statements.len() * 33);
    bytes.extend_from_slice(document.canonical.as_bytes());
    bytes.push(u8::from(document.record.is_some()));
    for statement in &document.statements {
        bytes.extend_from_slice(statement.id.as_bytes());
        bytes.push(match statement.claim {
            Claim::Update {
                standing: Standing::Head,
                ..
            } => 1,
            Claim::Update {
                standing: Standing::Replaced,
                ..
            } => 2,
            Claim::Update {
                standing: Standing::Retracted,
                ..
            } => 3,
            Claim::Retraction {
                is_effective: true, ..
            } => 4,
            Claim::Retraction {
                is_effective: false,
                ..
            } => 5,
            Claim::Absent => 6,
            Claim::Unusable => 7,
        });
    }
    Id::of(&[DOCUMENT_DOMAIN, &bytes])
}

const DOCUMENT_DOMAIN: &[u8] = b"kittengrad/index/document/1\0";

/// The sum over a set of documents.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    lanes: Box<[u16; LANES]>,
}

impl Default for Digest {
    /// The digest of no document.
    fn default() -> Self {
        Self {
            lanes: Box::new([0; LANES]),
        }
    }
}

impl Digest {
    /// Adds a document, by its hash.
    pub fn add(&mut self, document: &Id) {
        self.combine(document, u16::wrapping_add);
    }

    /// Removes a document that was added before, by its hash.
    pub fn remove(&mut self, document: &Id) {
        self.combine(document, u16::wrapping_sub);
    }

    /// Adds the documents of another shard. The two shards must not have a document in common.
    pub fn merge(&mut self, other: &Self) {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*other);
        }
    }

    /// Hashes the lanes to 32 bytes, to show and to compare.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::of(&[DOMAIN, &self.bytes()])
    }

    /// Encodes all lanes in hexadecimal, to store: 4,096 characters.
    #[must_use]
    pub fn encode(&self) -> String {
        HEXLOWER.encode(&self.bytes())
    }

    /// Reads the text that [`Digest::encode`] wrote.
    ///
    /// # Errors
    /// If the text has another length or is not hexadecimal.
    pub fn decode(text: &str) -> Result<Self, DigestError> {
        let refuse = || DigestError { found: text.len() };
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| refuse())?;
        if bytes.len() != LANES * 2 {
            return Err(refuse());
        }
        let mut digest = Self::default();
        for (lane, bytes) in digest.lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_be_bytes([bytes[0], bytes[1]]);
        }
        Ok(digest)
    }

    fn combine(&mut self, document: &Id, with: fn(u16, u16) -> u16) {
        for (number, lanes) in (0_u8..).zip(self.lanes.chunks_exact_mut(16)) {
            let block = Id::of(&[DOMAIN, document.as_bytes(), &[number]]);
            for (lane, bytes) in lanes.iter_mut().zip(block.as_bytes().chunks_exact(2)) {
                *lane = with(*lane, u16::from_be_bytes([bytes[0], bytes[1]]));
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.lanes
            .iter()
            .flat_map(|lane| lane.to_be_bytes())
            .collect()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:?})", self.id())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

/// Lanes of a digest; 64 blocks of SHA-256 for each document.
const LANES: usize = 1_024;
const DOMAIN: &[u8] = b"kittengrad/index/digest/1\0";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kittengrad_client_core::view::document::Statement;
    use kittengrad_proto::id::{PublicKey, RecordId};
    use kittengrad_support::samples::update;
    use proptest::prelude::*;

    use super::*;

    fn of(documents: &[u8]) -> Digest {
        let mut digest = Digest::default();
        for document in documents {
            digest.add(&Id::of(&[&[*document]]));
        }
        digest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn order_and_shards_do_not_matter(documents in prop::collection::vec(any::<u8>(), 0..20), cut in any::<prop::sample::Index>()) {
            let whole = of(&documents);
            let mut reversed = documents.clone();
            reversed.reverse();
            prop_assert_eq!(&of(&reversed), &whole);
            let (a, b) = documents.split_at(cut.index(documents.len() + 1));
            let mut merged = of(b);
            merged.merge(&of(a));
            prop_assert_eq!(&merged, &whole);
        }
    }

    #[test]
    fn a_documents_hash_depends_on_the_standing_of_its_statements() {
        let update = update(RecordId::new([1; 32]), PublicKey::new([2; 32]), 1);
        let updates = [Standing::Head, Standing::Replaced, Standing::Retracted];
        let updates = updates.map(|standing| Claim::Update {
            update: update.clone(),
            standing,
        });
        let claims = updates.into_iter().chain([Claim::Absent, Claim::Unusable]);
        let hashes = claims.map(|claim| {
            document_hash(&Document {
                canonical: RecordId::new([1; 32]),
                record: None,
                statements: vec![Statement {
                    id: RecordId::new([3; 32]),
                    claim,
                }],
            })
        });
        assert_eq!(hashes.collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn what_was_added_can_be_taken_out_again() {
        let mut digest = of(&[1, 2, 3]);
        digest.remove(&Id::of(&[&[2]]));
        assert_eq!(digest, of(&[3, 1]));
        assert_ne!(digest.id(), of(&[1, 2, 3]).id());
        assert_ne!(of(&[1]), of(&[1, 1]), "a document counted twice shows");
    }

    #[test]
    fn a_digest_is_stored_and_read_back() {
        let digest = of(&[7, 8]);
        assert_eq!(Digest::decode(&digest.encode()), Ok(digest));
        let (shorter, longer) = ("00".repeat(2047), "00".repeat(2049));
        let (foreign, upper) = ("zz".repeat(2048), "AB".repeat(2048));
        for bad in ["", "00", &shorter, &longer, &foreign, &upper] {
            let found = bad.len();
            assert_eq!(Digest::decode(bad), Err(DigestError { found }));
        }
    }
}
