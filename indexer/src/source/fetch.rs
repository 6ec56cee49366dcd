//! Lookups for absent records: each by its name, at the peers that hold its canonical.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
};

use futures::StreamExt;
use kittengrad_client::{Client, records::WantedRecord};
use kittengrad_indexer_core::{Fetched, Wanted};
use kittengrad_proto::id::RecordId;
use tokio::sync::mpsc;

use crate::driver::Command;

/// Looks absent records up, and sends each batch of found records to the driver. The driver asks for the others again.
pub async fn fetch(
    client: Client,
    mut asked: mpsc::Receiver<Vec<Wanted>>,
    commands: mpsc::Sender<Command>,
) {
    while let Some(wanted) = asked.recv().await {
        let owners = owners(&wanted);
        let records = owners.iter().map(|(record, canonical)| WantedRecord {
            canonical: *canonical,
            record: *record,
        });
        let mut found = pin!(client.records_from_holders(records.collect::<BTreeSet<_>>()));
        while let Some(records) = found.next().await {
            let mut fetched: BTreeMap<RecordId, Fetched> = BTreeMap::new();
            for bytes in records {
                let id = RecordId::of(&bytes);
                let Some(canonical) = owners.get(&id).copied() else {
                    continue;
                };
                let of = fetched.entry(canonical).or_insert_with(|| Fetched {
                    canonical,
                    records: BTreeMap::new(),
                });
                of.records.insert(id, bytes);
            }
            let fetched = fetched.into_values().collect();
            if commands.send(Command::Fetched(fetched)).await.is_err() {
                return;
            }
        }
        if commands.send(Command::FetchEnded).await.is_err() {
            return;
        }
    }
}

/// Maps each absent record to the canonical of its set.
fn owners(wanted: &[Wanted]) -> BTreeMap<RecordId, RecordId> {
    let of = |wanted: &Wanted| {
        let canonical = wanted.canonical;
        let records = wanted.records.clone();
        records.into_iter().map(move |record| (record, canonical))
    };
    wanted.iter().flat_map(of).collect()
}
