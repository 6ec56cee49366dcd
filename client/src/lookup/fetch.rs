//! Fetching records by their names, with every byte checked against its digest.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::GET_RECORD_MAX,
    record, wire,
};

use super::{Answers, verify::is_about};
use crate::{channel::Member, client::Client, fault::CallError};

impl Client {
    /// Fetches records of a canonical from its replicas. Records that no replica has are left out.
    pub async fn records_of(
        &self,
        canonical: &RecordId,
        ids: &[RecordId],
    ) -> BTreeMap<RecordId, Bytes> {
        let holders: Vec<_> = self
            .view()
            .holders(canonical)
            .iter()
            .map(|peer| peer.key)
            .collect();
        self.fetch_records(&holders, ids).await
    }

    /// Fetches records whose canonicals are unknown: first from the aggregators, then from every peer. Records that no
    /// member has are left out.
    pub async fn records(&self, ids: &[RecordId]) -> BTreeMap<RecordId, Bytes> {
        let view = self.view();
        let first = self.aggregator().into_iter();
        let members = first.chain(
            view.aggregators()
                .chain(view.peers())
                .map(|member| member.key),
        );
        self.fetch_records(&members.collect::<Vec<_>>(), ids).await
    }

    /// Fetches records for which an answer had no space, or which only another replica has.
    pub(super) async fn complete_records(&self, answers: &mut Answers, peers: &[PublicKey]) {
        let mut missing: Vec<RecordId> = Vec::new();
        for answer in answers.answers.iter().filter(|answer| answer.exists) {
            missing.extend(answer.record.is_none().then_some(answer.canonical));
            missing.extend(
                answer
                    .updates
                    .iter()
                    .filter(|(_, record)| record.is_none())
                    .map(|(id, _)| *id),
            );
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
            for (id, record) in answer
                .updates
                .iter_mut()
                .filter(|(_, record)| record.is_none())
            {
                *record = take(id);
            }
        }
    }

    /// Asks one member after the other for the records that are still missing.
    async fn fetch_records(
        &self,
        members: &[PublicKey],
        ids: &[RecordId],
    ) -> BTreeMap<RecordId, Bytes> {
        let mut found = BTreeMap::new();
        let wanted: BTreeSet<_> = ids.iter().copied().collect();
        for key in members {
            let missing: Vec<_> = wanted
                .iter()
                .filter(|id| !found.contains_key(*id))
                .copied()
                .collect();
            for ids in missing.chunks(GET_RECORD_MAX) {
                if let Err(error) = self.fetch_at(key, ids.to_vec(), &mut found).await {
                    tracing::debug!(peer = ?key, %error, "records could not be fetched");
                    break;
                }
            }
        }
        found
    }

    /// Asks one member for records until it has no more of them; one answer may have no space for all.
    async fn fetch_at(
        &self,
        key: &PublicKey,
        mut missing: Vec<RecordId>,
        found: &mut BTreeMap<RecordId, Bytes>,
    ) -> Result<(), CallError> {
        let member = self.member(key)?;
        while !missing.is_empty() {
            let fetched = self
                .attempt(*key, self.get_records(&member, &missing))
                .await?;
            if fetched.is_empty() {
                break;
            }
            found.extend(fetched);
            missing.retain(|id| !found.contains_key(id));
        }
        Ok(())
    }

    /// Asks one member for records and checks every byte against its digest.
    async fn get_records(
        &self,
        member: &Member,
        ids: &[RecordId],
    ) -> Result<Vec<(RecordId, Bytes)>, CallError> {
        let peer = member.key();
        let namespace = self.view().overlay().namespace.to_string();
        let request = wire::GetRecordRequest {
            namespace,
            digests: RecordId::concat(ids),
        };
        let answer = member.store().get_record(request).await;
        let answer = answer
            .map_err(|status| self.error(peer, &status))?
            .into_inner();
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
                return Err(CallError::misbehaved(
                    peer,
                    format!("record {id} has other bytes than its digest"),
                ));
            }
            record::check(&bytes)
                .map_err(|e| CallError::misbehaved(peer, format!("record {id}: {e}")))?;
            found.push((*id, bytes));
        }
        Ok(found)
    }
}
