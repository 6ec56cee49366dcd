//! Absent records: their elements were emitted without bytes. They are kept across restarts and fetched until they
//! arrive.
//!
//! ```text
//! key   = 0x42
//! value = version (1 byte) ‖ for each record: canonical (32) ‖ record (32) ‖ publisher (32)
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_journal::{Store, Write};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Summary, check},
};

use crate::io::{Fatal, Fetch};

const KEY: &[u8] = &[0x42];
const VERSION: u8 = 1;
const ROW_BYTES: usize = 96;
/// Absent records that are remembered, at most. Further ones are not fetched; readers ask the peers for them, as for
/// any absent record.
const ABSENT_MAX: usize = 4_096;
/// Absent records fetched at one tick, at most.
const FETCHES_MAX: usize = 256;
/// Time before an absent record is fetched again, in milliseconds, at first and at most. It doubles each time.
const BACK_OFF_MS_MIN: u64 = 5_000;
const BACK_OFF_MS_MAX: u64 = 600_000;

/// Records whose bytes are missing, though the set names them.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    records: BTreeMap<RecordId, Lacked>,
    is_kept: bool,
}

#[derive(Debug, Clone, Copy)]
struct Lacked {
    canonical: RecordId,
    publisher: PublicKey,
    /// Monotonic time of the next fetch.
    due_ms: u64,
    back_off_ms: u64,
}

impl Absent {
    /// Reads the absent records from the store. Their first fetch is due [`BACK_OFF_MS_MIN`] after `now_ms`.
    pub(crate) fn load(store: &dyn Store, now_ms: u64) -> Result<Self, Fatal> {
        let mut absent = Self {
            is_kept: true,
            ..Self::default()
        };
        let Some(value) = store.state(KEY)? else {
            return Ok(absent);
        };
        let bytes = value.len();
        let (rows, rest) = value.get(1..).unwrap_or_default().as_chunks::<ROW_BYTES>();
        if value.first() != Some(&VERSION) || !rest.is_empty() {
            return Err(Fatal::Absent { bytes });
        }
        for row in rows {
            let part = |at: usize| {
                let mut part = [0; 32];
                part.copy_from_slice(&row[at..at + 32]);
                part
            };
            let fetch = Fetch {
                canonical: RecordId::new(part(0)),
                record: RecordId::new(part(32)),
            };
            absent.add(fetch, PublicKey::new(part(64)), now_ms);
        }
        absent.is_kept = true;
        Ok(absent)
    }

    /// Adds a record that was emitted without its bytes.
    pub(crate) fn add(&mut self, fetch: Fetch, publisher: PublicKey, now_ms: u64) {
        if self.records.len() >= ABSENT_MAX {
            return;
        }
        self.records.entry(fetch.record).or_insert_with(|| {
            self.is_kept = false;
            Lacked {
                canonical: fetch.canonical,
                publisher,
                due_ms: now_ms.saturating_add(BACK_OFF_MS_MIN),
                back_off_ms: BACK_OFF_MS_MIN,
            }
        });
    }

    /// Fetches the records that are due, and doubles their back-off.
    pub(crate) fn due(&mut self, now_ms: u64, fetches: &mut Vec<Fetch>) {
        let due = self.records.iter_mut();
        let due = due.filter(|(_, lacked)| lacked.due_ms <= now_ms);
        for (record, lacked) in due.take(FETCHES_MAX) {
            lacked.back_off_ms = (lacked.back_off_ms * 2).min(BACK_OFF_MS_MAX);
            lacked.due_ms = now_ms.saturating_add(lacked.back_off_ms);
            fetches.push(Fetch {
                canonical: lacked.canonical,
                record: *record,
            });
        }
    }

    /// Takes bytes that arrived. Returns the write of an absent record that fits its element. A record that does not
    /// fit is not fetched again either.
    pub(crate) fn came(&mut self, bytes: &Bytes) -> Option<Write> {
        if self.records.is_empty() {
            return None;
        }
        let id = RecordId::of(bytes);
        let lacked = self.records.get(&id)?;
        let is_usable = match check(bytes) {
            Ok(Summary::Canonical { .. }) => id == lacked.canonical,
            Ok(Summary::Statement {
                reference,
                publisher,
                ..
            }) => reference == lacked.canonical && publisher == lacked.publisher,
            Err(_) => false,
        };
        // The id is the hash of the bytes: no other bytes can arrive for this record, so a misfit ends the search too.
        self.records.remove(&id);
        self.is_kept = false;
        is_usable.then(|| Write::Record(id, bytes.clone()))
    }

    /// Returns the write of all absent records, if they changed since the last one.
    pub(crate) fn unkept(&mut self) -> Option<Write> {
        if std::mem::replace(&mut self.is_kept, true) {
            return None;
        }
        let mut value = vec![VERSION];
        for (record, lacked) in &self.records {
            value.extend_from_slice(lacked.canonical.as_bytes());
            value.extend_from_slice(record.as_bytes());
            value.extend_from_slice(lacked.publisher.as_bytes());
        }
        Some(Write::State(Bytes::from_static(KEY), value.into()))
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::MemoryStore;
    use kittengrad_proto::record::Record;
    use kittengrad_support::samples::{artefact, named, update};

    use super::*;

    fn fetch(number: u8) -> Fetch {
        Fetch {
            canonical: RecordId::new([1; 32]),
            record: RecordId::new([number; 32]),
        }
    }

    #[test]
    fn what_is_absent_is_kept_and_asked_for_less_and_less_often() {
        let (mut absent, publisher) = (Absent::default(), PublicKey::new([7; 32]));
        absent.add(fetch(2), publisher, 0);
        absent.add(fetch(3), publisher, 0);
        let mut store = MemoryStore::default();
        store.commit(vec![absent.unkept().unwrap()]);
        assert_eq!(absent.unkept(), None);

        let mut absent = Absent::load(&store, 0).unwrap();
        assert_eq!(absent.unkept(), None);
        let mut asked = Vec::new();
        for second in 0..4_000 {
            let mut fetches = Vec::new();
            absent.due(second * 1_000, &mut fetches);
            if !fetches.is_empty() {
                assert_eq!(fetches, [fetch(2), fetch(3)]);
                asked.push(second);
            }
        }
        // It doubles from 5 s to 10 minutes.
        assert_eq!(
            asked,
            [
                5, 15, 35, 75, 155, 315, 635, 1_235, 1_835, 2_435, 3_035, 3_635
            ]
        );
    }

    #[test]
    fn stored_absent_records_have_the_documented_layout() {
        let mut absent = Absent::default();
        absent.add(fetch(2), PublicKey::new([7; 32]), 0);
        absent.add(fetch(3), PublicKey::new([8; 32]), 0);
        let rows = [[1; 32], [2; 32], [7; 32], [1; 32], [3; 32], [8; 32]];
        let value = [&[1][..], &rows.concat()].concat();
        let (key, value) = (Bytes::from_static(&[0x42]), Bytes::from(value));
        assert_eq!(absent.unkept(), Some(Write::State(key, value)));
    }

    #[test]
    fn a_loaded_absent_record_is_due_five_seconds_after_the_start() {
        let mut absent = Absent::default();
        absent.add(fetch(2), PublicKey::new([7; 32]), 0);
        let mut store = MemoryStore::default();
        store.commit(vec![absent.unkept().unwrap()]);
        let mut absent = Absent::load(&store, 100_000).unwrap();
        let mut fetches = Vec::new();
        absent.due(104_999, &mut fetches);
        assert_eq!(fetches, []);
        absent.due(105_000, &mut fetches);
        assert_eq!(fetches, [fetch(2)]);
    }

    #[test]
    fn an_absent_record_that_is_added_again_stays_as_it_was() {
        let mut absent = Absent::default();
        absent.add(fetch(2), PublicKey::new([7; 32]), 0);
        assert!(absent.unkept().is_some());
        absent.add(fetch(2), PublicKey::new([7; 32]), 4_000);
        assert_eq!(absent.unkept(), None, "the list did not change");
        let mut fetches = Vec::new();
        absent.due(5_000, &mut fetches);
        assert_eq!(fetches, [fetch(2)], "it is due as before");
    }

    #[test]
    fn a_loaded_absent_record_is_taken_if_it_fits_its_element() {
        let publisher = PublicKey::new([7; 32]);
        let canonical = RecordId::new([1; 32]);
        let (record, bytes) = named(&Record::Update(update(canonical, publisher, 1)));
        let mut absent = Absent::default();
        absent.add(Fetch { canonical, record }, publisher, 0);
        let mut store = MemoryStore::default();
        store.commit(vec![absent.unkept().unwrap()]);
        let mut absent = Absent::load(&store, 0).unwrap();
        let other = named(&artefact("another work")).1;
        assert_eq!(absent.came(&other), None, "nobody lacks it");
        assert_eq!(absent.unkept(), None);
        let write = Write::Record(record, bytes.clone());
        assert_eq!(absent.came(&bytes), Some(write));
        assert_eq!(absent.came(&bytes), None, "it is here");
        assert!(absent.unkept().is_some(), "the list changed");
    }

    #[test]
    fn a_canonical_does_not_stand_for_an_absent_update() {
        let (record, bytes) = named(&artefact("a work"));
        for (canonical, is_usable) in [(record, true), (RecordId::new([1; 32]), false)] {
            let mut absent = Absent::default();
            absent.add(Fetch { canonical, record }, PublicKey::new([7; 32]), 0);
            assert_eq!(absent.came(&bytes).is_some(), is_usable);
        }
    }

    #[test]
    fn a_damaged_value_is_said_to_be_damaged() {
        for value in [&b""[..], &[9; 97], &[1; 96]] {
            let mut store = MemoryStore::default();
            let value = Bytes::copy_from_slice(value);
            let bytes = value.len();
            store.commit(vec![Write::State(Bytes::from_static(KEY), value)]);
            let found = Absent::load(&store, 0).err();
            assert_eq!(found, Some(Fatal::Absent { bytes }));
        }
    }
}
