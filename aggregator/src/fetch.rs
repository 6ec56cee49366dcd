//! Fetching records that a source does not have from the peers that hold them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kittengrad_aggregator_core::{Fetch, Input};
use kittengrad_client::Client;
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::GET_RECORD_MAX,
    wire,
};
use tokio::{sync::mpsc, time::timeout};

use crate::driver::Command;

/// How long one peer may take.
const ANSWER_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// Peers asked at one time.
const ASKED_AT_ONCE: usize = 8;

/// Fetches what the driver wants, until it wants nothing any more.
pub(crate) async fn run(
    client: Client,
    mut wanted: mpsc::Receiver<Fetch>,
    commands: mpsc::Sender<Command>,
) {
    let mut batch = Vec::new();
    while wanted.recv_many(&mut batch, GET_RECORD_MAX).await > 0 {
        let found = find(&client, batch.drain(..).collect()).await;
        if !found.is_empty()
            && commands
                .send(Command::Input(Input::Records(found)))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// Asks the holders of each record, one after another until one has it.
async fn find(client: &Client, mut wanted: BTreeSet<Fetch>) -> Vec<Bytes> {
    let mut found = Vec::new();
    let network = client.network();
    for turn in 0..network.replicas().get() {
        let mut asks: BTreeMap<PublicKey, Vec<RecordId>> = BTreeMap::new();
        for fetch in &wanted {
            if let Some(holder) = network.holders(&fetch.canonical).get(turn) {
                asks.entry(holder.key).or_default().push(fetch.record);
            }
        }
        let answers = stream::iter(asks)
            .map(|(peer, ids)| ask(client, peer, ids))
            .buffer_unordered(ASKED_AT_ONCE);
        let came: Vec<Bytes> = answers
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect();
        let names: BTreeSet<_> = came.iter().map(|bytes| RecordId::of(bytes)).collect();
        wanted.retain(|fetch| !names.contains(&fetch.record));
        found.extend(came);
        if wanted.is_empty() {
            break;
        }
    }
    found
}

/// What one peer has of some records. Bytes are checked by whoever wants them: by their names.
async fn ask(client: &Client, peer: PublicKey, ids: Vec<RecordId>) -> Vec<Bytes> {
    let request = wire::GetRecordRequest {
        namespace: client.network().overlay().namespace.to_string(),
        digests: RecordId::concat(&ids),
    };
    let answer = async { Some(client.member(&peer).ok()?.store().get_record(request).await) };
    match timeout(ANSWER_MAX, answer).await {
        Ok(Some(Ok(answer))) => {
            let mut records = answer.into_inner().records;
            records.retain(|record| !record.is_empty());
            records
        }
        Ok(Some(Err(status))) => {
            tracing::debug!(?peer, %status, "records cannot be fetched");
            Vec::new()
        }
        Ok(None) | Err(_) => Vec::new(),
    }
}
