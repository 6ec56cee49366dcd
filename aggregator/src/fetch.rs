//! Fetches records that a source does not have. Asks the peers that hold their canonicals.

use std::{collections::BTreeSet, pin::pin};

use futures::StreamExt;
use kittengrad_aggregator_core::{Fetch, Input};
use kittengrad_client::{Client, records::WantedRecord};
use kittengrad_proto::limits::GET_RECORD_MAX;
use kittengrad_service::process::joined;
use tokio::{sync::mpsc, task::JoinSet};

use crate::driver::Command;

/// Batches that are fetched at the same time. A batch that waits for a dead peer does not hold up the others.
const BATCHES_MAX: usize = 8;

/// Fetches the records that the driver wants, in batches, until the driver drops its sender.
pub(crate) async fn run(
    client: Client,
    mut wanted: mpsc::Receiver<Fetch>,
    commands: mpsc::Sender<Command>,
) {
    let mut batches = JoinSet::new();
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            Some(ended) = batches.join_next() => joined(ended),
            taken = wanted.recv_many(&mut batch, GET_RECORD_MAX), if batches.len() < BATCHES_MAX => {
                if taken == 0 {
                    return;
                }
                let wanted = batch.drain(..).map(wanted_record).collect();
                batches.spawn(fetch(client.clone(), wanted, commands.clone()));
            }
        }
    }
}

/// Fetches one batch, and sends the records to the driver as they arrive.
async fn fetch(client: Client, wanted: BTreeSet<WantedRecord>, commands: mpsc::Sender<Command>) {
    let mut found = pin!(client.records_from_holders(wanted));
    while let Some(records) = found.next().await {
        let records = Command::Input(Input::Records(records));
        if commands.send(records).await.is_err() {
            return;
        }
    }
}

const fn wanted_record(fetch: Fetch) -> WantedRecord {
    WantedRecord {
        canonical: fetch.canonical,
        record: fetch.record,
    }
}
