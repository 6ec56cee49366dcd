//! The fold: makes one document of the set of one canonical.

use std::collections::BTreeMap;

use bytes::Bytes;
use kittengrad_proto::{
    heads::{self, Standing},
    id::{PublicKey, RecordId},
    record::{Canonical, Record},
};

use super::document::{Claim, Document, Statement};

/// Folds the set of `canonical` into its document.
///
/// The result depends on the arguments alone, not on the order in which elements arrived. An absent record is part of
/// it. Each record must have the hash that its name says; the caller checked that when it fetched the record.
/// # Source
/// S6 in `docs/promises.md`; rfd 6 for which statements count.
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
    for (id, record) in records {
        statements.push(judge(id, record, &standings));
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
                claim: Claim::Absent,
            },
        ));
    }
    statements
        .sort_by_key(|(time, statement)| (statement.claim == Claim::Absent, *time, statement.id));
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
    let (time, claim) = match record {
        Some(Record::Update(update)) => {
            let standing = standings
                .get(&id)
                .map_or(Standing::Head, |(standing, _)| *standing);
            (update.timestamp_ms, Claim::Update { update, standing })
        }
        Some(Record::Retraction(retraction)) => {
            let target = standings.get(&retraction.target);
            let is_effective =
                target.is_some_and(|(_, publisher)| *publisher == retraction.publisher);
            (
                retraction.timestamp_ms,
                Claim::Retraction {
                    retraction,
                    is_effective,
                },
            )
        }
        Some(Record::Canonical(_)) | None => (u64::MAX, Claim::Unusable),
    };
    (time, Statement { id, claim })
}
