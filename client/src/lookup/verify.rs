//! Verification of one replica's answer: it answers the question, and every record has the hash that its name says.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use kittengrad_proto::{
    block::Head,
    id::{PublicKey, RecordId},
    record::{self, Summary},
    wire,
};

use crate::{client::Client, vouched::Vouched};

/// One replica's verified answer.
pub(super) struct Verified {
    pub(super) head: Head,
    /// In the order of the question.
    pub(super) sets: Vec<VerifiedSet>,
    pub(super) publishers: Vec<Arc<Vouched>>,
}

pub(super) struct VerifiedSet {
    pub(super) exists: bool,
    pub(super) updates: Vec<RecordId>,
    pub(super) records: BTreeMap<RecordId, Bytes>,
    /// Whether the replica has more updates than these.
    pub(super) more: bool,
}

impl Verified {
    /// Adds the next page of a set.
    pub(super) fn go_on(&mut self, index: usize, page: Self) -> Result<(), String> {
        let (set, more) = (&mut self.sets[index], page.sets.into_iter().next());
        let more = more.ok_or("a page without a set")?;
        if !more.exists || more.more && more.updates.is_empty() {
            return Err("a set with more updates does not go on".to_owned());
        }
        if set.updates.last() >= more.updates.first() && !more.updates.is_empty() {
            return Err("a set goes on with updates that it had before".to_owned());
        }
        set.updates.extend(more.updates);
        set.records.extend(more.records);
        set.more = more.more;
        self.publishers.extend(page.publishers);
        Ok(())
    }
}

impl Client {
    /// Checks an answer of `peer` to a question about `canonicals`.
    pub(super) fn verify(
        &self,
        peer: PublicKey,
        canonicals: &[RecordId],
        answer: wire::LookupResponse,
    ) -> Result<Verified, String> {
        if answer.peer[..] != peer.as_bytes()[..] {
            return Err("it answers in the name of another peer".to_owned());
        }
        let head = Head::from_wire(answer.head.as_ref()).map_err(|e| e.to_string())?;
        let head = head.ok_or("it answers without a head")?;
        if answer.sets.len() != canonicals.len() {
            return Err(format!(
                "{} sets for {} canonicals",
                answer.sets.len(),
                canonicals.len()
            ));
        }
        let sets = canonicals
            .iter()
            .zip(answer.sets)
            .map(|(canonical, set)| verify_set(canonical, set));
        let chains = answer.chains.into_iter().map(|chain| {
            self.shared
                .vouchers
                .verify(chain)
                .map_err(|e| e.to_string())
        });
        Ok(Verified {
            head,
            sets: sets.collect::<Result<_, _>>()?,
            publishers: chains.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks one set: it is of the canonical in the question, and every record has the hash that its name says.
fn verify_set(canonical: &RecordId, set: wire::Set) -> Result<VerifiedSet, String> {
    if set.canonical[..] != canonical.as_bytes()[..] {
        return Err(format!("a set is about another canonical than {canonical}"));
    }
    let updates = RecordId::list_from_slice(&set.updates).map_err(|e| e.to_string())?;
    if !updates.is_sorted_by(|a, b| a < b) {
        return Err(format!("updates of {canonical} are not strictly ascending"));
    }
    if updates.binary_search(canonical).is_ok() {
        return Err(format!("{canonical} is among its own updates"));
    }
    if !(set.exists || updates.is_empty() && set.record.is_empty() && !set.more) {
        return Err(format!(
            "{canonical} does not exist, but has a record or updates"
        ));
    }
    if !set.records.is_empty() && set.records.len() != updates.len() {
        return Err(format!(
            "{} records for {} updates",
            set.records.len(),
            updates.len()
        ));
    }
    let mut records = BTreeMap::new();
    let named = updates
        .iter()
        .zip(set.records)
        .chain([(canonical, set.record)]);
    for (id, bytes) in named.filter(|(_, bytes)| !bytes.is_empty()) {
        if RecordId::of(&bytes) != *id {
            return Err(format!("record {id} has other bytes than its digest"));
        }
        if !is_about(&bytes, id, canonical) {
            return Err(format!("record {id} is not a statement about {canonical}"));
        }
        records.insert(*id, bytes);
    }
    Ok(VerifiedSet {
        exists: set.exists,
        updates,
        records,
        more: set.more,
    })
}

/// Whether the record `id` is the canonical itself, or a statement about it.
pub(super) fn is_about(bytes: &[u8], id: &RecordId, canonical: &RecordId) -> bool {
    match record::check(bytes) {
        Ok(Summary::Canonical { .. }) => id == canonical,
        Ok(Summary::Statement { reference, .. }) => reference == *canonical,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::record::{Canonical, CanonicalType, Record, Retraction};

    use super::*;

    fn canonical(name: &str) -> (RecordId, Bytes) {
        let canonical = Canonical::identified(CanonicalType::Entity, name.to_owned());
        let bytes = Record::Canonical(canonical).encode().unwrap();
        (RecordId::of(&bytes), bytes)
    }

    fn statement(reference: RecordId) -> Bytes {
        let (target, publisher) = (RecordId::new([7; 32]), PublicKey::new([1; 32]));
        Record::Retraction(Retraction {
            reference,
            target,
            publisher,
            timestamp_ms: 5,
        })
        .encode()
        .unwrap()
    }

    fn set(canonical: RecordId, records: &[Bytes]) -> wire::Set {
        let mut updates: Vec<_> = records
            .iter()
            .map(|bytes| (RecordId::of(bytes), bytes.clone()))
            .collect();
        updates.sort();
        wire::Set {
            canonical: Bytes::copy_from_slice(canonical.as_bytes()),
            exists: true,
            updates: RecordId::concat(updates.iter().map(|(id, _)| id)),
            record: Bytes::new(),
            records: updates.into_iter().map(|(_, bytes)| bytes).collect(),
            more: false,
        }
    }

    #[test]
    fn a_set_is_taken_only_if_every_record_is_what_it_is_named() {
        let ((turner, record), (other, other_record)) = (canonical("turner"), canonical("other"));
        let good = wire::Set {
            record: record.clone(),
            ..set(turner, &[statement(turner)])
        };
        assert_eq!(verify_set(&turner, good.clone()).unwrap().records.len(), 2);
        let refused = [
            wire::Set {
                record: other_record,
                ..good.clone()
            },
            wire::Set {
                records: vec![statement(other)],
                ..good.clone()
            },
            wire::Set {
                exists: false,
                ..good.clone()
            },
            wire::Set {
                records: vec![statement(turner); 2],
                ..good.clone()
            },
            wire::Set {
                updates: good.updates.slice(1..),
                ..good.clone()
            },
            wire::Set {
                updates: [&good.updates[..], &good.updates[..]].concat().into(),
                ..good.clone()
            },
            set(turner, &[statement(other)]),
            set(turner, &[Bytes::from_static(b"noise")]),
            set(turner, &[record]),
            set(other, &[]),
        ];
        for (number, set) in refused.into_iter().enumerate() {
            assert!(verify_set(&turner, set).is_err(), "{number}");
        }
    }

    #[test]
    fn records_may_be_missing_but_not_shifted() {
        let (turner, _) = canonical("turner");
        let mut without = set(turner, &[statement(turner)]);
        without.records = vec![Bytes::new()];
        let verified = verify_set(&turner, without).unwrap();
        assert_eq!((verified.updates.len(), verified.records.len()), (1, 0));
    }
}
