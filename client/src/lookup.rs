//! Looking up: the sets of canonicals, merged from as many replicas as asked for, every record checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_client_core::merge::{Merged, Reply, merge};
use kittengrad_proto::{
    block::Head,
    certificate::Holder,
    id::{PublicKey, RecordId},
    limits::{GET_RECORD_MAX, LOOKUP_CANONICALS_MAX},
    record::{self, Summary},
    wire,
};
use thiserror::Error;

use crate::{
    channel::Member,
    client::{Asked, Client},
    fault::CallError,
    network::Network,
    vouched::Vouched,
};

pub use kittengrad_client_core::merge::Consistency;

/// Requests of one lookup that are on their way at the same time.
const REQUESTS_IN_FLIGHT: usize = 8;

/// Why a lookup has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookupError {
    /// Nobody who holds it answered.
    #[error("no replica of {canonical} answered: {last}; `kittengrad ring why {canonical}` shows who holds it")]
    NoAnswer {
        /// One of the canonicals.
        canonical: RecordId,
        /// What the last replica said.
        last: CallError,
    },
    /// Nobody holds it: the network has no peer.
    #[error("no peer holds {canonical}")]
    NoHolder {
        /// One of the canonicals.
        canonical: RecordId,
    },
}

/// A replica that answered, and its head when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredBy {
    /// The replica.
    pub peer: PublicKey,
    /// Incarnation of its journal.
    pub incarnation: u64,
    /// Height of its journal.
    pub height: u64,
}

/// What is known about one canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The canonical.
    pub canonical: RecordId,
    /// Whether any replica knows anything about it.
    pub exists: bool,
    /// Its record, if it was asked for and a replica has it.
    pub record: Option<Bytes>,
    /// Updates and retractions, each with its record if it was asked for and a replica has it.
    pub updates: BTreeMap<RecordId, Option<Bytes>>,
    /// Who answered, each once.
    pub answered_by: Vec<AnsweredBy>,
    /// As many holders answered as were asked for, and these see every write that a quorum acknowledged.
    pub complete: bool,
}

/// Answers in the order of the question, and who the publishers in them are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// One per canonical asked.
    pub answers: Vec<Answer>,
    /// Publishers by their keys, from verified certificates; those of the records in the answers.
    pub publishers: BTreeMap<PublicKey, Holder>,
}

/// One replica's verified answer.
struct Verified {
    head: Head,
    /// In the order of the question.
    sets: Vec<VerifiedSet>,
    publishers: Vec<Arc<Vouched>>,
}

struct VerifiedSet {
    exists: bool,
    updates: Vec<RecordId>,
    records: BTreeMap<RecordId, Bytes>,
}

impl Client {
    /// Looks canonicals up at their replicas and merges what they say.
    ///
    /// If fewer replicas answer than `consistency` wants, the answers of those that did are not `complete`.
    ///
    /// # Errors
    /// [`LookupError`] if there is a canonical of which no replica answered.
    pub async fn lookup(
        &self,
        canonicals: &[RecordId],
        consistency: Consistency,
        records: bool,
    ) -> Result<Answers, LookupError> {
        let network = self.network();
        let mut by_owner: BTreeMap<usize, BTreeSet<RecordId>> = BTreeMap::new();
        let is_one_cell = network.peers().count() <= network.replicas().get();
        for canonical in canonicals {
            let owner = if is_one_cell { 0 } else { network.ring().owner(canonical.point()) };
            by_owner.entry(owner).or_default().insert(*canonical);
        }
        let questions = by_owner.into_values().flat_map(|canonicals| {
            let canonicals: Vec<_> = canonicals.into_iter().collect();
            canonicals.chunks(LOOKUP_CANONICALS_MAX).map(<[_]>::to_vec).collect::<Vec<_>>()
        });
        let parts: Vec<_> = stream::iter(questions)
            .map(|question| async move { self.lookup_together(&question, consistency, records).await })
            .buffer_unordered(REQUESTS_IN_FLIGHT)
            .collect()
            .await;
        let (mut found, mut publishers) = (BTreeMap::new(), BTreeMap::new());
        for part in parts {
            let part = part?;
            found.extend(part.answers.into_iter().map(|answer| (answer.canonical, answer)));
            publishers.extend(part.publishers);
        }
        let answers = canonicals.iter().filter_map(|canonical| found.get(canonical).cloned()).collect();
        Ok(Answers { answers, publishers })
    }

    /// Looks canonicals up at one peer or aggregator alone, whatever it holds.
    ///
    /// # Errors
    /// [`CallError`] if it does not answer well.
    pub async fn lookup_at(
        &self,
        peer: &PublicKey,
        canonicals: &[RecordId],
        records: bool,
    ) -> Result<Answers, CallError> {
        let mut all = Answers::default();
        for question in canonicals.chunks(LOOKUP_CANONICALS_MAX) {
            let member = self.member(peer)?;
            let verified = self.attempt(*peer, self.lookup_once(&member, question, records)).await?;
            let mut answers = self.merged(question, &[(*peer, verified)], Consistency::One);
            if records {
                self.complete_records(&mut answers, &[*peer]).await;
            }
            all.answers.extend(answers.answers);
            all.publishers.extend(answers.publishers);
        }
        Ok(all)
    }

    /// Fetches records of some canonical, at its replicas. Those that no replica has are left out.
    pub async fn records_of(&self, canonical: &RecordId, ids: &[RecordId]) -> BTreeMap<RecordId, Bytes> {
        let holders: Vec<_> = self.network().holders(canonical).iter().map(|peer| peer.key).collect();
        self.fetch_records(&holders, ids).await
    }

    /// Fetches records of which it is not known what they are about: at the aggregators, and then at every peer.
    /// Those that nobody has are left out.
    pub async fn records(&self, ids: &[RecordId]) -> BTreeMap<RecordId, Bytes> {
        let network = self.network();
        let first = self.aggregator().into_iter();
        let members = first.chain(network.aggregators().chain(network.peers()).map(|member| member.key));
        self.fetch_records(&members.collect::<Vec<_>>(), ids).await
    }

    /// Looks up canonicals that the same peers hold, in one request to each.
    async fn lookup_together(
        &self,
        canonicals: &[RecordId],
        consistency: Consistency,
        records: bool,
    ) -> Result<Answers, LookupError> {
        let route = |network: &Network| {
            let holders = network.holders_of_all(canonicals);
            let needed = consistency.needed(holders.len(), network.replicas());
            (holders, needed)
        };
        // One replica sends the records, the others only the sets: what is still missing then is fetched by id.
        let records_wanted = AtomicBool::new(records);
        let ask = |member: Member| {
            let records_wanted = &records_wanted;
            async move {
                let with_records = records_wanted.swap(false, Ordering::AcqRel);
                let answer = self.lookup_once(&member, canonicals, with_records).await;
                if with_records && answer.is_err() {
                    records_wanted.store(true, Ordering::Release);
                }
                answer
            }
        };
        let Asked { answers, mut errors, .. } = self.ask(self.read_patience(), route, ask).await;
        if answers.is_empty() {
            let canonical = canonicals.first().copied().unwrap_or(RecordId::new([0; 32]));
            return Err(match errors.pop() {
                Some(last) => LookupError::NoAnswer { canonical, last },
                None => LookupError::NoHolder { canonical },
            });
        }
        let mut merged = self.merged(canonicals, &answers, consistency);
        if records {
            let answered: Vec<_> = answers.iter().map(|(peer, _)| *peer).collect();
            self.complete_records(&mut merged, &answered).await;
        }
        Ok(merged)
    }

    /// Unites what several replicas said to the same question.
    fn merged(
        &self,
        canonicals: &[RecordId],
        answers: &[(PublicKey, Verified)],
        consistency: Consistency,
    ) -> Answers {
        let network = self.network();
        let answer = |(index, canonical): (usize, &RecordId)| {
            let reply = |(peer, verified): &(PublicKey, Verified)| {
                let set = verified.sets.get(index)?;
                let (head, exists, updates) = (verified.head, set.exists, set.updates.clone());
                Some(Reply { peer: *peer, head, exists, updates })
            };
            let replies: Vec<_> = answers.iter().filter_map(reply).collect();
            let holders: Vec<_> = network.holders(canonical).iter().map(|peer| peer.key).collect();
            let Merged { exists, updates, answered_by, complete } =
                merge(&replies, &holders, network.replicas(), consistency);
            let sets = || answers.iter().filter_map(|(_, verified)| verified.sets.get(index));
            let record = |id: &RecordId| sets().find_map(|set| set.records.get(id).cloned());
            let answered_by = answered_by.into_iter().map(|(peer, head)| {
                let Head { incarnation, height, .. } = head;
                AnsweredBy { peer, incarnation, height }
            });
            Answer {
                canonical: *canonical,
                exists,
                record: record(canonical),
                updates: updates.into_iter().map(|id| (id, record(&id))).collect(),
                answered_by: answered_by.collect(),
                complete,
            }
        };
        let publishers = answers.iter().flat_map(|(_, verified)| &verified.publishers);
        Answers {
            answers: canonicals.iter().enumerate().map(answer).collect(),
            publishers: publishers.map(|v| (v.holder.key, v.holder.clone())).collect(),
        }
    }

    /// Fetches the records that an answer had no room for, or that only another replica has.
    async fn complete_records(&self, answers: &mut Answers, peers: &[PublicKey]) {
        let mut missing: Vec<RecordId> = Vec::new();
        for answer in answers.answers.iter().filter(|answer| answer.exists) {
            missing.extend(answer.record.is_none().then_some(answer.canonical));
            missing.extend(answer.updates.iter().filter(|(_, record)| record.is_none()).map(|(id, _)| *id));
        }
        if missing.is_empty() {
            return;
        }
        let found = self.fetch_records(peers, &missing).await;
        for answer in &mut answers.answers {
            let canonical = answer.canonical;
            let is_its_own = |id: &RecordId, bytes: &Bytes| is_about(bytes, id, &canonical);
            let take = |id: &RecordId| found.get(id).filter(|bytes| is_its_own(id, bytes)).cloned();
            if answer.record.is_none() {
                answer.record = take(&canonical);
            }
            for (id, record) in answer.updates.iter_mut().filter(|(_, record)| record.is_none()) {
                *record = take(id);
            }
        }
    }

    /// Asks one member after the other for what is still missing.
    async fn fetch_records(&self, members: &[PublicKey], ids: &[RecordId]) -> BTreeMap<RecordId, Bytes> {
        let mut found = BTreeMap::new();
        let wanted: BTreeSet<_> = ids.iter().copied().collect();
        for key in members {
            let missing: Vec<_> = wanted.iter().filter(|id| !found.contains_key(*id)).copied().collect();
            for ids in missing.chunks(GET_RECORD_MAX) {
                let fetched = match self.member(key) {
                    Ok(member) => self.attempt(*key, self.get_records(&member, ids)).await,
                    Err(e) => Err(e),
                };
                match fetched {
                    Ok(records) => found.extend(records),
                    Err(error) => {
                        tracing::debug!(peer = ?key, %error, "records could not be fetched");
                        break;
                    }
                }
            }
        }
        found
    }

    /// Asks one member for records and checks every byte against its digest.
    async fn get_records(
        &self,
        member: &Member,
        ids: &[RecordId],
    ) -> Result<Vec<(RecordId, Bytes)>, CallError> {
        let peer = member.key();
        let namespace = self.network().overlay().namespace.to_string();
        let request = wire::GetRecordRequest { namespace, digests: RecordId::concat(ids) };
        let answer = member.store().get_record(request).await;
        let answer = answer.map_err(|status| self.error(peer, &status))?.into_inner();
        if answer.records.len() != ids.len() {
            let why = format!("{} records for {} asked", answer.records.len(), ids.len());
            return Err(CallError::Misbehaved { peer, why });
        }
        let mut found = Vec::with_capacity(ids.len());
        for (id, bytes) in ids.iter().zip(answer.records) {
            if bytes.is_empty() {
                continue;
            }
            if RecordId::of(&bytes) != *id {
                return Err(CallError::misbehaved(peer, format!("record {id} has other bytes than its digest")));
            }
            record::check(&bytes).map_err(|e| CallError::misbehaved(peer, format!("record {id}: {e}")))?;
            found.push((*id, bytes));
        }
        Ok(found)
    }

    /// Asks one member and verifies its answer.
    async fn lookup_once(
        &self,
        member: &Member,
        canonicals: &[RecordId],
        records: bool,
    ) -> Result<Verified, CallError> {
        let peer = member.key();
        let namespace = self.network().overlay().namespace.to_string();
        let request =
            wire::LookupRequest { namespace, canonicals: RecordId::concat(canonicals), records };
        let answer = member.store().lookup(request).await;
        let answer = answer.map_err(|status| self.error(peer, &status))?.into_inner();
        self.verify(peer, canonicals, answer).map_err(|why| CallError::Misbehaved { peer, why })
    }

    fn verify(
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
            return Err(format!("{} sets for {} canonicals", answer.sets.len(), canonicals.len()));
        }
        let sets = canonicals.iter().zip(answer.sets).map(|(canonical, set)| verify_set(canonical, set));
        let chains = answer.chains.into_iter().map(|chain| {
            self.shared.vouchers.verify(chain).map_err(|e| e.to_string())
        });
        Ok(Verified {
            head,
            sets: sets.collect::<Result<_, _>>()?,
            publishers: chains.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks one set: it is about the canonical asked for, and every record in it is what it is named.
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
    if !set.exists && !(updates.is_empty() && set.record.is_empty()) {
        return Err(format!("{canonical} does not exist, but has a record or updates"));
    }
    if !set.records.is_empty() && set.records.len() != updates.len() {
        return Err(format!("{} records for {} updates", set.records.len(), updates.len()));
    }
    let mut records = BTreeMap::new();
    let named = updates.iter().zip(set.records).chain([(canonical, set.record)]);
    for (id, bytes) in named.filter(|(_, bytes)| !bytes.is_empty()) {
        if RecordId::of(&bytes) != *id {
            return Err(format!("record {id} has other bytes than its digest"));
        }
        if !is_about(&bytes, id, canonical) {
            return Err(format!("record {id} is no statement about {canonical}"));
        }
        records.insert(*id, bytes);
    }
    Ok(VerifiedSet { exists: set.exists, updates, records })
}

/// Whether the record `id` is the canonical itself, or says something about it.
fn is_about(bytes: &[u8], id: &RecordId, canonical: &RecordId) -> bool {
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
        Record::Retraction(Retraction { reference, target, publisher, timestamp_ms: 5 }).encode().unwrap()
    }

    fn set(canonical: RecordId, records: &[Bytes]) -> wire::Set {
        let mut updates: Vec<_> = records.iter().map(|bytes| (RecordId::of(bytes), bytes.clone())).collect();
        updates.sort();
        wire::Set {
            canonical: Bytes::copy_from_slice(canonical.as_bytes()),
            exists: true,
            updates: RecordId::concat(updates.iter().map(|(id, _)| id)),
            record: Bytes::new(),
            records: updates.into_iter().map(|(_, bytes)| bytes).collect(),
        }
    }

    #[test]
    fn a_set_is_taken_only_if_every_record_is_what_it_is_named() {
        let ((turner, record), (other, other_record)) = (canonical("turner"), canonical("other"));
        let good = wire::Set { record: record.clone(), ..set(turner, &[statement(turner)]) };
        assert_eq!(verify_set(&turner, good.clone()).unwrap().records.len(), 2);
        let refused = [
            wire::Set { record: other_record, ..good.clone() },
            wire::Set { records: vec![statement(other)], ..good.clone() },
            wire::Set { exists: false, ..good.clone() },
            wire::Set { records: vec![statement(turner); 2], ..good.clone() },
            wire::Set { updates: good.updates.slice(1..), ..good.clone() },
            wire::Set { updates: [&good.updates[..], &good.updates[..]].concat().into(), ..good.clone() },
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
