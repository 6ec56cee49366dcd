//! No absent record is forgotten (S5): each record that the view names is on its disk, or has a row as absent. So it is
//! counted and fetched.

use std::collections::BTreeSet;

use bytes::Bytes;
use kittengrad_journal::{MemoryStore, RecordStore as _, RowKey, StateStore as _, Write};
use kittengrad_proto::id::RecordId;

use super::{Verdict, check};

/// The first byte of the keys of absent records.
const KIND: u8 = 0x42;

/// Checks the new elements of a commit of the aggregator, and the rows of absent records that it removes.
pub(super) fn commits(disk: &MemoryStore, writes: &[Write]) -> Verdict {
    let written: BTreeSet<_> = writes.iter().filter_map(record_of).collect();
    let removed: BTreeSet<_> = writes.iter().filter_map(removed_by).collect();
    let added = writes.iter().filter_map(|write| match write {
        Write::Element(element, _) => Some(element.update.unwrap_or(element.canonical)),
        _ => None,
    });
    for record in added.chain(removed.iter().copied()) {
        let has_row = !removed.contains(&record) && disk.state(&row(&record)).unwrap().is_some();
        let is_known =
            written.contains(&record) || has_row || disk.records(&[record]).unwrap()[0].is_some();
        check(is_known, "absent", "S5", || {
            format!("the view names {record}, which is neither on the disk nor noted as absent")
        })?;
    }
    Ok(())
}

/// The record that a write brings, or notes as absent.
fn record_of(write: &Write) -> Option<RecordId> {
    match write {
        Write::Record(id, _) => Some(*id),
        Write::State(key, _) => record_of_row(key),
        _ => None,
    }
}

/// The record that a write no longer notes as absent.
fn removed_by(write: &Write) -> Option<RecordId> {
    match write {
        Write::Remove(RowKey::State(key)) => record_of_row(key),
        _ => None,
    }
}

fn record_of_row(key: &Bytes) -> Option<RecordId> {
    let record = key.strip_prefix(&[KIND])?;
    RecordId::from_slice(record).ok()
}

fn row(record: &RecordId) -> Vec<u8> {
    [&[KIND], &record.as_bytes()[..]].concat()
}
