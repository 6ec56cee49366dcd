//! Data to measure with: records of a given size that compress like text, new in every run.

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::Bytes;
use ipld_core::ipld::Ipld;
use kittengrad_client::{
    Client,
    submit::{Ack, Draft, SubmitOptions},
};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Canonical, CanonicalType, Record, Update},
};
use kittengrad_service::clock::unix_ms;

use crate::output;

/// Drafts that are submitted together while data is prepared.
const LOADED_TOGETHER: usize = 5_000;

/// Makes records that no other run makes.
pub(super) struct Maker {
    run: u64,
    record_bytes: usize,
    publisher: PublicKey,
    now_ms: u64,
}

impl Maker {
    pub(super) fn new(record_bytes: u32, publisher: PublicKey) -> anyhow::Result<Self> {
        let run = getrandom::u64().context("the system returned no random bytes")?;
        Ok(Self {
            run,
            record_bytes: record_bytes as usize,
            publisher,
            now_ms: unix_ms(),
        })
    }

    /// A canonical, its record of the given size.
    pub(super) fn padded_canonical(&self, number: u64) -> anyhow::Result<Draft> {
        let bytes = self.padded(number, |pad| self.canonical(number, Some(pad)))?;
        Ok(Draft {
            canonical: RecordId::of(&bytes),
            insert: Some(bytes),
            updates: Vec::new(),
        })
    }

    /// A small canonical and `per` updates of the given size.
    pub(super) fn said(&self, number: u64, per: u32) -> anyhow::Result<Draft> {
        let mut draft = Draft::insert(&self.canonical(number, None))?;
        for n in 0..u64::from(per) {
            let seed = number.wrapping_mul(1_000_003).wrapping_add(n);
            draft
                .updates
                .push(self.padded(seed, |pad| self.update(draft.canonical, n, pad))?);
        }
        Ok(draft)
    }

    fn canonical(&self, number: u64, pad: Option<String>) -> Record {
        let id = format!("bench:{:016x}:{number}", self.run);
        let mut canonical = Canonical::identified(CanonicalType::Artefact, id);
        canonical
            .meta
            .extend(pad.map(|pad| ("pad".to_owned(), Ipld::String(pad))));
        Record::Canonical(canonical)
    }

    fn update(&self, reference: RecordId, n: u64, pad: String) -> Record {
        let meta = [
            ("n".to_owned(), Ipld::Integer(n.into())),
            ("pad".to_owned(), Ipld::String(pad)),
        ];
        Record::Update(Update {
            reference,
            publisher: self.publisher,
            timestamp_ms: self.now_ms + n,
            name: None,
            meta: BTreeMap::from(meta),
            previous: Vec::new(),
            links: Vec::new(),
            salt: None,
        })
    }

    /// A record as large as asked for, or one byte less where no length of a text makes it so.
    fn padded(&self, seed: u64, record: impl Fn(String) -> Record) -> anyhow::Result<Bytes> {
        let missing = self
            .record_bytes
            .saturating_sub(record(String::new()).encode()?.len());
        // The length of a text takes up to two bytes more than that of an empty one.
        let chars = (0..=2)
            .map(|more| missing.saturating_sub(more))
            .find(|chars| chars + head_bytes(*chars) <= missing);
        Ok(record(noise(self.run ^ seed, chars.unwrap_or_default())).encode()?)
    }
}

/// Bytes of CBOR's length of a text, beyond the first.
const fn head_bytes(chars: usize) -> usize {
    match chars {
        0..24 => 0,
        24..256 => 1,
        _ => 2,
    }
}

/// Letters and digits without order, six bits of it in each (SplitMix64).
fn noise(seed: u64, chars: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed;
    let mut text = String::with_capacity(chars);
    while text.len() < chars {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        for place in 0..10.min(chars - text.len()) {
            text.push(char::from(ALPHABET[(mixed >> (6 * place)) as usize & 63]));
        }
    }
    text
}

/// Loads drafts before the clock starts, on all replicas, so that later reads can go to any of them.
pub(super) async fn load(
    client: &Client,
    publisher: &PublicKey,
    mut drafts: Vec<Draft>,
) -> anyhow::Result<()> {
    let options = SubmitOptions {
        ack: Ack::All,
        ..SubmitOptions::default()
    };
    output::say(&format!(
        "preparing {}",
        output::text::count(drafts.len() as u64, "canonical")
    ));
    while !drafts.is_empty() {
        let rest = drafts.split_off(drafts.len().min(LOADED_TOGETHER));
        for outcome in client.submit(publisher, drafts, options).await? {
            let submitted = outcome.result.context("cannot prepare")?;
            let disks = submitted.synced.len();
            anyhow::ensure!(
                submitted.acknowledged,
                "cannot prepare: only {disks} disks have the data, not all replicas; `kittengrad ring show` lists members that are down"
            );
        }
        drafts = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn maker(record_bytes: u32) -> Maker {
        Maker::new(record_bytes, PublicKey::new([1; 32])).unwrap()
    }

    #[test]
    fn records_have_the_size_asked_for() {
        for record_bytes in [200, 230, 250, 300, 512, 1_000, 60_000] {
            let maker = maker(record_bytes);
            let draft = maker.said(7, 2).unwrap();
            let canonical = maker.padded_canonical(7).unwrap().insert;
            for bytes in draft.updates.iter().chain(&canonical) {
                let off = record_bytes as usize - bytes.len();
                assert!(off <= 1, "{} for {record_bytes}", bytes.len());
            }
        }
    }

    #[test]
    fn no_record_is_made_twice() {
        let (one, other) = (maker(300), maker(300));
        let mut ids = BTreeSet::new();
        for maker in [&one, &other] {
            for number in 0..50 {
                let draft = maker.said(number, 3).unwrap();
                ids.insert(draft.canonical);
                ids.extend(draft.updates.iter().map(|bytes| RecordId::of(bytes)));
                ids.insert(maker.padded_canonical(number).unwrap().canonical);
            }
        }
        assert_eq!(ids.len(), 2 * 50 * (1 + 3 + 1));
    }
}
