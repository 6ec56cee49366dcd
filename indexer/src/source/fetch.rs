//! Lookups for records that did not come along.

use kittengrad_client::{
    Client,
    lookup::{Answer, Consistency},
};
use kittengrad_indexer_core::Fetched;
use kittengrad_proto::id::{PublicKey, RecordId};
use tokio::sync::mpsc;

use crate::driver::Command;

/// Looks up canonicals with absent records: at their replicas, else at the aggregator.
///
/// What is not found is answered too, with nothing; its turn comes again.
pub async fn fetch(
    client: Client,
    journal: PublicKey,
    mut asked: mpsc::Receiver<Vec<RecordId>>,
    commands: mpsc::Sender<Command>,
) {
    while let Some(canonicals) = asked.recv().await {
        let answers = match client.lookup(&canonicals, Consistency::Quorum, true).await {
            Ok(found) => found.answers,
            Err(error) => {
                tracing::debug!(%error, "absent records are not found at their replicas");
                let found = client.lookup_at(&journal, &canonicals, true).await;
                found.map(|found| found.answers).unwrap_or_default()
            }
        };
        let fetched = answers.into_iter().map(to_fetched).collect();
        if commands.send(Command::Fetched(fetched)).await.is_err() {
            return;
        }
    }
}

fn to_fetched(answer: Answer) -> Fetched {
    let canonical = answer.canonical;
    let updates = answer
        .updates
        .into_iter()
        .filter_map(|(id, record)| Some((id, record?)));
    let records = updates
        .chain(answer.record.map(|record| (canonical, record)))
        .collect();
    Fetched { canonical, records }
}
