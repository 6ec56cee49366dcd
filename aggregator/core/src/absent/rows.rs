//! The rows of absent records in the store.
//!
//! ```text
//! key   = 0x42 ‖ record (32)
//! value = version (1 byte) ‖ canonical (32) ‖ publisher (32)
//! ```

use bytes::Bytes;
use kittengrad_journal::Store;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    record::{Summary, check},
};

use crate::io::{Fatal, Fetch};

const KIND: u8 = 0x42;
const VERSION: u8 = 1;
const VALUE_BYTES: usize = 65;

/// The element of an absent record: its canonical, and the publisher of its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) canonical: RecordId,
    pub(super) publisher: PublicKey,
}

impl Row {
    fn read(value: &[u8]) -> Result<Self, Fatal> {
        let bytes = value.len();
        let parts = || {
            let (version, rest) = value.split_first()?;
            let (canonical, publisher) = rest.split_at_checked(32)?;
            let row = Self {
                canonical: RecordId::from_slice(canonical).ok()?,
                publisher: PublicKey::from_slice(publisher).ok()?,
            };
            (*version == VERSION).then_some(row)
        };
        parts().ok_or(Fatal::Absent { bytes })
    }

    pub(super) fn value(&self) -> Bytes {
        let mut value = Vec::with_capacity(VALUE_BYTES);
        value.push(VERSION);
        value.extend_from_slice(self.canonical.as_bytes());
        value.extend_from_slice(self.publisher.as_bytes());
        value.into()
    }

    pub(super) const fn fetch(&self, record: RecordId) -> Fetch {
        let canonical = self.canonical;
        Fetch { canonical, record }
    }

    /// Whether these bytes are the canonical itself, or a statement of the publisher about it.
    pub(super) fn fits(&self, record: RecordId, bytes: &Bytes) -> bool {
        match check(bytes) {
            Ok(Summary::Canonical { .. }) => record == self.canonical,
            Ok(Summary::Statement {
                reference,
                publisher,
                ..
            }) => reference == self.canonical && publisher == self.publisher,
            Err(_) => false,
        }
    }
}

pub(super) fn key(record: &RecordId) -> Bytes {
    [&[KIND], &record.as_bytes()[..]].concat().into()
}

/// Reads the row of a record, if it is absent.
pub(super) fn read_row(store: &dyn Store, record: &RecordId) -> Result<Option<Row>, Fatal> {
    let value = store.state(&key(record))?;
    value.map(|value| Row::read(&value)).transpose()
}

/// Reads the first `limit` rows after one, or from the beginning.
pub(super) fn read_page(
    store: &dyn Store,
    after: Option<RecordId>,
    limit: usize,
) -> Result<Vec<(RecordId, Row)>, Fatal> {
    let after = after.map(|record| key(&record));
    let page = store.states_page(&[KIND], after.as_deref(), limit)?;
    let row = |(key, value): (Bytes, Bytes)| {
        let record = RecordId::from_slice(&key[1..]);
        let record = record.map_err(|_| Fatal::Absent { bytes: key.len() })?;
        Ok((record, Row::read(&value)?))
    };
    page.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use kittengrad_journal::{MemoryStore, Write};
    use kittengrad_support::samples::{artefact, named};

    use super::*;

    #[test]
    fn a_canonical_does_not_stand_for_an_absent_update() {
        let (record, bytes) = named(&artefact("a work"));
        for (canonical, fits) in [(record, true), (RecordId::new([1; 32]), false)] {
            let publisher = PublicKey::new([7; 32]);
            let row = Row {
                canonical,
                publisher,
            };
            assert_eq!(row.fits(record, &bytes), fits);
        }
    }

    #[test]
    fn a_damaged_row_is_said_to_be_damaged() {
        let sound = [&[1][..], &[1; 32], &[7; 32]].concat();
        let whole = key(&RecordId::new([2; 32]));
        let long = [&whole[..], &[0]].concat();
        let unknown = [&[9][..], &sound[1..]].concat();
        for (key, value, bytes) in [
            (&whole[..], &sound[..], None),
            (&whole[..32], &sound[..], Some(32)),
            (&long, &sound, Some(34)),
            (&[KIND], &sound, Some(1)),
            (&whole, &[], Some(0)),
            (&whole, &sound[..64], Some(64)),
            (&whole, &[&sound[..], &[0]].concat(), Some(66)),
            (&whole, &unknown, Some(65)),
        ] {
            let mut store = MemoryStore::default();
            let [key, value] = [key, value].map(Bytes::copy_from_slice);
            store.commit(vec![Write::State(key, value)]);
            let found = read_page(&store, None, 9).err();
            assert_eq!(found, bytes.map(|bytes| Fatal::Absent { bytes }));
        }
    }
}
