//! Records from the replicas of their canonicals: the next replica is asked after a short time, whether or not the last
//! one failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream, stream::FuturesUnordered};
use kittengrad_proto::{
    id::{PublicKey, RecordId},
    limits::GET_RECORD_MAX,
    wire,
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::Client;

/// Time for one replica.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Records that are missing after this time are asked of the next replica too.
const NEXT_AFTER: Duration = Duration::from_millis(200);

/// A record to get from the replicas of its canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedRecord {
    /// The canonical, which gives the place on the ring.
    pub canonical: RecordId,
    /// The record's name: the canonical itself, or an update.
    pub record: RecordId,
}

type Asks = FuturesUnordered<futures::future::BoxFuture<'static, Vec<Bytes>>>;

/// A running search.
struct Search {
    client: Client,
    wanted: BTreeSet<WantedRecord>,
    asks: Asks,
    /// The replica to ask next for each canonical, and the time.
    turn: usize,
    next: Instant,
}

impl Client {
    /// Streams the bytes of the records, each once, checked by their hashes. The stream ends when all arrived or every
    /// replica was asked.
    pub fn records_from_holders(
        &self,
        wanted: BTreeSet<WantedRecord>,
    ) -> impl Stream<Item = Vec<Bytes>> + Send + use<> {
        let search = Search {
            client: self.clone(),
            wanted,
            asks: FuturesUnordered::new(),
            turn: 0,
            next: Instant::now(),
        };
        stream::unfold(search, async |mut search| {
            Some((search.next().await?, search))
        })
    }

    /// Asks one replica for records. An answer has as many bytes as fit a message; then the replica is asked again.
    async fn ask_holder(self, peer: PublicKey, ids: Vec<RecordId>) -> Vec<Bytes> {
        let mut left: BTreeSet<_> = ids.into_iter().collect();
        let mut found = Vec::new();
        while !left.is_empty() {
            let ids: Vec<_> = left.iter().copied().take(GET_RECORD_MAX).collect();
            let request = wire::GetRecordRequest {
                namespace: self.view().overlay().namespace.to_string(),
                digests: RecordId::concat(&ids),
            };
            let Ok(member) = self.member(&peer) else {
                break;
            };
            let answer = match member.store().get_record(request).await {
                Ok(answer) => answer.into_inner().records,
                Err(status) => {
                    tracing::debug!(?peer, %status, "records cannot be fetched");
                    break;
                }
            };
            let before = found.len();
            let came = answer.into_iter().filter(|bytes| !bytes.is_empty());
            found.extend(came.filter(|bytes| left.remove(&RecordId::of(bytes))));
            if found.len() == before {
                break;
            }
        }
        found
    }
}

impl Search {
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        let holders = self.client.view().replication().get();
        while !self.wanted.is_empty() {
            if self.turn < holders && (self.asks.is_empty() || self.next <= Instant::now()) {
                self.ask();
                continue;
            }
            if self.asks.is_empty() {
                break;
            }
            let came = tokio::select! {
                came = self.asks.next() => came.unwrap_or_default(),
                () = sleep_until(self.next), if self.turn < holders => continue,
            };
            let fresh: Vec<_> = came.into_iter().filter(|bytes| self.take(bytes)).collect();
            if !fresh.is_empty() {
                return Some(fresh);
            }
        }
        None
    }

    /// Asks the next replica for all missing records.
    fn ask(&mut self) {
        let mut asks: BTreeMap<PublicKey, Vec<RecordId>> = BTreeMap::new();
        let view = self.client.view();
        for wanted in &self.wanted {
            let holders = view.holders(&wanted.canonical);
            if let Some(holder) = holders.get(self.turn) {
                asks.entry(holder.key).or_default().push(wanted.record);
            }
        }
        for (peer, ids) in asks {
            let asked = self.client.clone().ask_holder(peer, ids);
            let asked = timeout(ANSWER_MAX, asked);
            let asked = asked.map(Result::unwrap_or_default);
            self.asks.push(asked.boxed());
        }
        self.turn += 1;
        self.next = Instant::now() + NEXT_AFTER;
    }

    /// Whether these bytes are a missing record. Takes the record off the list.
    fn take(&mut self, bytes: &Bytes) -> bool {
        let id = RecordId::of(bytes);
        let before = self.wanted.len();
        self.wanted.retain(|wanted| wanted.record != id);
        self.wanted.len() < before
    }
}
