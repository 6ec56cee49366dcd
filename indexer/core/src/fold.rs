//! The fold: one canonical's set becomes one document.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::{
    heads::{self, Standing},
    id::{PublicKey, RecordId},
    record::{Canonical, Record},
};

use crate::document::{Document, Said, Statement};

/// Folds the set of `canonical` into its document.
///
/// Depends on its arguments alone: neither the order in which the elements arrived nor what was known before
/// matters. A record that is absent is part of the result. Records must be those that their names say;
/// whoever fetched them checked that.
/// # Source
/// Design section 6; for what counts, section 2, "Record".
#[must_use]
pub fn fold(
    canonical: RecordId,
    canonical_record: Option<&[u8]>,
    updates: &BTreeMap<RecordId, Option<Bytes>>,
) -> Document {
    let records: BTreeMap<RecordId, Option<Record>> = updates
        .iter()
        .filter_map(|(id, bytes)| Some((*id, usable(canonical, bytes.as_ref()?))))
        .collect();
    let known = records
        .iter()
        .filter_map(|(id, record)| Some((*id, record.as_ref()?)));
    let standings: BTreeMap<RecordId, (Standing, PublicKey)> = heads::place(known)
        .iter()
        .map(|placed| (placed.id, (placed.standing, placed.update.publisher)))
        .collect();

    let mut statements: Vec<(u64, Statement)> = Vec::with_capacity(updates.len());
    for (id, said) in records {
        statements.push(judge(id, said, &standings));
    }
    for id in updates
        .iter()
        .filter(|(_, bytes)| bytes.is_none())
        .map(|(id, _)| *id)
    {
        statements.push((
            u64::MAX,
            Statement {
                id,
                said: Said::Absent,
            },
        ));
    }
    statements
        .sort_by_key(|(time, statement)| (statement.said == Said::Absent, *time, statement.id));
    Document {
        canonical,
        record: canonical_record.and_then(canonical_of),
        statements: statements
            .into_iter()
            .map(|(_, statement)| statement)
            .collect(),
    }
}

fn canonical_of(bytes: &[u8]) -> Option<Canonical> {
    match Record::decode(bytes) {
        Ok(Record::Canonical(canonical)) => Some(canonical),
        _ => None,
    }
}

/// The record, if it is a statement about `canonical`.
fn usable(canonical: RecordId, bytes: &[u8]) -> Option<Record> {
    let record = Record::decode(bytes).ok()?;
    let reference = match &record {
        Record::Update(update) => update.reference,
        Record::Retraction(retraction) => retraction.reference,
        Record::Canonical(_) => return None,
    };
    (reference == canonical).then_some(record)
}

/// A known record as a statement, with the time by which it is ordered.
fn judge(
    id: RecordId,
    record: Option<Record>,
    standings: &BTreeMap<RecordId, (Standing, PublicKey)>,
) -> (u64, Statement) {
    let (time, said) = match record {
        Some(Record::Update(update)) => {
            let standing = standings
                .get(&id)
                .map_or(Standing::Head, |(standing, _)| *standing);
            (update.timestamp_ms, Said::Update { update, standing })
        }
        Some(Record::Retraction(retraction)) => {
            let target = standings.get(&retraction.target);
            let is_effective =
                target.is_some_and(|(_, publisher)| *publisher == retraction.publisher);
            (
                retraction.timestamp_ms,
                Said::Retraction {
                    retraction,
                    is_effective,
                },
            )
        }
        Some(Record::Canonical(_)) | None => (u64::MAX, Said::Unusable),
    };
    (time, Statement { id, said })
}
