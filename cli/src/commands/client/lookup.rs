//! Looking up for commands: many canonicals in parts, and what is known of them as records.

use anyhow::bail;
use kittengrad_client::lookup::{Answer, Answers, Consistency};
use kittengrad_proto::{
    heads::heads,
    id::{PublicKey, RecordId},
    limits::RECORD_PREVIOUS_MAX,
    record::Record,
};

use super::Session;
use crate::output::{self, text::count};

/// What is known of one canonical that must exist, with all records, from enough replicas to see every acknowledged
/// write.
pub(crate) async fn known(session: &Session, canonical: &RecordId) -> anyhow::Result<Answers> {
    let found = session
        .client
        .lookup(&[*canonical], Consistency::Quorum, true)
        .await?;
    match found.answers.first() {
        Some(answer) if !answer.complete => bail!(
            "only {} of {canonical} answered, which may not know its latest updates; \
             `kittengrad ring show` says who is down",
            count(answer.answered_by.len() as u64, "replica"),
        ),
        Some(answer) if answer.absent_records().next().is_some() => bail!(
            "no replica that answers shows {} about {canonical}: what they say is not known; \
             `kittengrad ring show` says who is down",
            count(answer.absent_records().count() as u64, "statement"),
        ),
        Some(answer) if answer.exists => Ok(found),
        _ => bail!("{canonical} is unknown; `kittengrad put` inserts it"),
    }
}

/// The records of a set, as far as they came.
pub(crate) fn statements(answer: &Answer) -> Vec<(RecordId, Record)> {
    let records = answer
        .updates
        .iter()
        .filter_map(|(id, bytes)| Some((*id, bytes.as_ref()?)));
    records
        .filter_map(|(id, bytes)| Some((id, Record::decode(bytes).ok()?)))
        .collect()
}

/// The heads of one publisher, strictly ascending: what its next update replaces. At most as many as one may, which
/// people are told.
pub(crate) fn own_heads(statements: &[(RecordId, Record)], publisher: &PublicKey) -> Vec<RecordId> {
    let heads = heads(statements.iter().map(|(id, record)| (*id, record)));
    let own = heads
        .into_iter()
        .filter(|(_, update)| update.publisher == *publisher);
    let mut own: Vec<_> = own.map(|(id, _)| id).collect();
    own.sort_unstable();
    if own.len() > RECORD_PREVIOUS_MAX {
        let (all, some) = (own.len() as u64, RECORD_PREVIOUS_MAX as u64);
        output::say(&format!(
            "warning: {} stand, of which one update replaces {}; the next update replaces more",
            count(all, "statement"),
            output::text::number(some)
        ));
    }
    own.truncate(RECORD_PREVIOUS_MAX);
    own
}
