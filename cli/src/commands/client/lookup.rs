//! Lookups of commands that write: the records of canonicals, in parts.

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

/// The records of one canonical that must exist. Enough replicas must answer to see every acknowledged
/// write.
pub(crate) async fn known(session: &Session, canonical: &RecordId) -> anyhow::Result<Answers> {
    let found = session
        .client
        .lookup(&[*canonical], Consistency::Quorum, true)
        .await?;
    match found.answers.first() {
        Some(answer) if !answer.complete => bail!(
            "only {} of {canonical} answered, which may lack its latest updates; \
             `kittengrad ring show` lists members that are down",
            count(answer.answered_by.len() as u64, "replica"),
        ),
        Some(answer) if answer.absent_records().next().is_some() => bail!(
            "no replica that answers has the records of {} about {canonical}; \
             `kittengrad ring show` lists members that are down",
            count(answer.absent_records().count() as u64, "statement"),
        ),
        Some(answer) if answer.exists => Ok(found),
        _ => bail!("{canonical} does not exist; `kittengrad put` inserts it"),
    }
}

/// The records of a set, as far as they arrived.
pub(crate) fn statements(answer: &Answer) -> Vec<(RecordId, Record)> {
    let records = answer
        .updates
        .iter()
        .filter_map(|(id, bytes)| Some((*id, bytes.as_ref()?)));
    records
        .filter_map(|(id, bytes)| Some((id, Record::decode(bytes).ok()?)))
        .collect()
}

/// The heads of one publisher, strictly ascending, which its next update replaces. At most as many as one update may
/// replace; more of them cause a warning.
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
            "warning: {} count today, and one update replaces at most {}; the next update replaces more",
            count(all, "statement"),
            output::text::number(some)
        ));
    }
    own.truncate(RECORD_PREVIOUS_MAX);
    own
}
