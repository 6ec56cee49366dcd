//! Keeping evidence: at most two pieces against each key, with who showed them.
//!
//! ```text
//! key   = 6 ‖ key of the accused (32) ‖ number, 0 or 1 (1 byte)
//! value = 1 (1 byte) ‖ Unix time in milliseconds (8) ‖ key of the member that showed it (32) ‖ protobuf `Evidence`
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::{
    evidence::{Evidence, EvidenceError, Rule},
    id::{Id, PublicKey},
    namespace::Overlay,
    signed::Verifier,
};

use crate::store::{Store, StoreError, Write};

const KIND: u8 = 6;
const VERSION: u8 = 1;
/// Bytes of a value before the evidence.
const VALUE_BYTES: usize = 1 + 8 + 32;
/// Pieces of evidence against one key, at most. One convicts; more than two show nothing new.
const PIECES_MAX: usize = 2;
/// Keys with evidence, at most. A ring has fewer members.
const KEYS_MAX: usize = 20_000;

/// Evidence with the member that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The evidence.
    pub evidence: Evidence,
    /// The member that showed the signed bytes. Its word does not count: the evidence proves itself.
    pub by: PublicKey,
    /// Unix time in milliseconds at which it was shown.
    pub at_ms: u64,
}

/// The keys against which there is evidence on disk or in writes of this round.
#[derive(Debug, Default)]
pub struct Blame {
    /// The hashes of the evidence against each key.
    pieces: BTreeMap<PublicKey, Vec<Id>>,
}

impl Blame {
    /// Reads the keys from the store.
    ///
    /// # Errors
    /// If the store does not answer or is damaged.
    pub fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let mut pieces = BTreeMap::<_, Vec<_>>::new();
        for (key, value) in store.states(&[KIND])? {
            let (accused, evidence) = split(&key, &value)?;
            pieces
                .entry(accused)
                .or_default()
                .push(Id::of(&[&evidence]));
        }
        Ok(Self { pieces })
    }

    /// Checks evidence. Returns the rule that the accused broke with the write that keeps the evidence. `None` if enough
    /// is kept against the accused already.
    ///
    /// # Errors
    /// If it does not convict the accused.
    pub fn add(
        &mut self,
        shown: &Shown,
        verifier: &dyn Verifier,
    ) -> Result<Option<(Rule, Write)>, EvidenceError> {
        let accused = shown.evidence.accused();
        let kept = self.pieces.get(&accused);
        let is_new_key = kept.is_none();
        if kept.is_some_and(|kept| kept.len() >= PIECES_MAX)
            || is_new_key && self.pieces.len() >= KEYS_MAX
        {
            return Ok(None);
        }
        let bytes = shown.evidence.encode();
        let name = Id::of(&[&bytes]);
        if kept.is_some_and(|kept| kept.contains(&name)) {
            return Ok(None);
        }
        let rule = shown.evidence.check(verifier)?;
        let pieces = self.pieces.entry(accused).or_default();
        let number = u8::try_from(pieces.len()).unwrap_or(u8::MAX);
        pieces.push(name);
        let key = [&[KIND][..], accused.as_bytes(), &[number]].concat();
        let time = shown.at_ms.to_be_bytes();
        let value = [&[VERSION][..], &time, shown.by.as_bytes(), &bytes].concat();
        Ok(Some((rule, Write::State(key.into(), value.into()))))
    }
}

/// Reads all evidence that is kept, ascending by the key of the accused.
///
/// # Errors
/// If the store does not answer or is damaged.
pub fn evidence(store: &dyn Store, overlay: &Overlay) -> Result<Vec<Shown>, StoreError> {
    let mut all = Vec::new();
    for (key, value) in store.states(&[KIND])? {
        let (accused, evidence) = split(&key, &value)?;
        let read = Evidence::decode(evidence, overlay);
        let evidence = read.map_err(|error| damaged(&accused, &error.to_string()))?;
        let (mut at_ms, mut by) = ([0; 8], [0; 32]);
        at_ms.copy_from_slice(&value[1..9]);
        by.copy_from_slice(&value[9..VALUE_BYTES]);
        all.push(Shown {
            evidence,
            by: PublicKey::new(by),
            at_ms: u64::from_be_bytes(at_ms),
        });
    }
    Ok(all)
}

/// The accused and the bytes of the evidence in a row.
fn split(key: &[u8], value: &Bytes) -> Result<(PublicKey, Bytes), StoreError> {
    let accused = key
        .get(1..33)
        .and_then(|key| PublicKey::from_slice(key).ok());
    let accused = accused.filter(|_| key.len() == 34);
    let accused = accused.ok_or_else(|| {
        StoreError::Damaged("the key of a piece of evidence is unreadable".to_owned())
    })?;
    if value.first() != Some(&VERSION) || value.len() < VALUE_BYTES {
        return Err(damaged(&accused, "its version or length is unknown"));
    }
    Ok((accused, value.slice(VALUE_BYTES..)))
}

fn damaged(accused: &PublicKey, why: &str) -> StoreError {
    StoreError::Damaged(format!(
        "the evidence against {accused} is unreadable: {why}"
    ))
}
