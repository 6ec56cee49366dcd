//! The source: an aggregator's journal, verified and in order, and lookups for what did not come along.

use std::time::Duration;

use kittengrad_client::{
    Client,
    lookup::{Answer, Consistency},
    subscribe::{
        Bodies, Event, Start, SubscribeError, SubscribeOptions, Subscription, VerifiedBlock,
    },
};
use kittengrad_indexer_core::{Block, Fetched, Transaction};
use kittengrad_proto::{
    block::Head,
    cursor::{Cursor, Position},
    id::{PublicKey, RecordId},
};
use kittengrad_service::clock::unix_ms;
use tokio::sync::{mpsc, watch};

use crate::{driver::Command, metrics::IndexerMetrics};

/// How it stands with the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// The journal that is followed.
    pub journal: Option<PublicKey>,
    /// Whether anything was heard since the connection was lost last.
    pub is_connected: bool,
    /// The head that the source showed when it was first heard on this connection: whoever has processed
    /// that has seen all there was.
    pub target: Option<(u64, u64)>,
    /// What went wrong last, until it works again.
    pub problem: Option<String>,
}

impl SourceStatus {
    /// Why what `committed` covers is not all that the source has; empty if it was when last heard.
    #[must_use]
    pub fn not_ready(&self, committed: Option<Cursor>) -> Vec<String> {
        if !self.is_connected {
            let why = self
                .problem
                .as_deref()
                .unwrap_or("nothing was heard of it yet");
            return vec![format!("the aggregator's journal is not read: {why}")];
        }
        let at = committed.and_then(|cursor| Some((cursor.incarnation, cursor.height?)));
        match (self.target, at) {
            (None, _) => vec!["where the aggregator's journal ends is not known yet".to_owned()],
            (Some(target), Some(at)) if at >= target => Vec::new(),
            (Some((incarnation, height)), _) => {
                let at = committed
                    .map_or_else(|| "before its first block".to_owned(), |at| at.to_string());
                vec![format!(
                    "catching up with {incarnation}/{height} of the aggregator's journal, at {at}"
                )]
            }
        }
    }
}

/// Follows the journal of one aggregator.
#[derive(Debug)]
pub struct Source {
    /// The way to it.
    pub client: Client,
    /// Its key.
    pub journal: PublicKey,
    /// Who takes its blocks.
    pub commands: mpsc::Sender<Command>,
    /// Who looks at how it is.
    pub status: watch::Sender<SourceStatus>,
    /// What is counted.
    pub metrics: IndexerMetrics,
}

impl Source {
    /// Feeds every block after `committed` to the driver, for as long as that listens. Connections that are
    /// lost are made again; a journal that does not verify is tried again, and nothing of it is taken.
    pub async fn follow(self, committed: Option<Cursor>) {
        self.status
            .send_modify(|status| status.journal = Some(self.journal));
        let mut at = committed;
        let mut wait = RETRY_MIN;
        loop {
            let start = at.map_or(Start::Genesis, |cursor| {
                Start::Cursor(Position {
                    cursor,
                    elements: 0,
                })
            });
            let options = SubscribeOptions {
                start,
                bodies: Bodies::Records,
                follow: true,
                give_up_after: None,
            };
            let before = at;
            let events = self.client.subscribe(self.journal, options);
            let Some(error) = self.read(events, &mut at).await else {
                return;
            };
            self.lost(&error.to_string());
            match error {
                SubscribeError::TooOld { start } | SubscribeError::UnknownIncarnation { start } => {
                    tracing::warn!(%start, %error, "reading on from where the source begins");
                    at = Some(start);
                }
                error => {
                    tracing::error!(%error, ?wait, "the aggregator's journal cannot be read; trying again");
                    tokio::time::sleep(wait).await;
                    wait = if at == before {
                        (wait * 2).min(RETRY_MAX)
                    } else {
                        RETRY_MIN
                    };
                }
            }
        }
    }

    /// Reads until an error; `None` when the driver listens no more.
    async fn read(
        &self,
        mut events: Subscription,
        at: &mut Option<Cursor>,
    ) -> Option<SubscribeError> {
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Block(block)) => {
                    let header = &block.header;
                    let is_new = unix_ms().saturating_sub(header.time_ms) < RECENT_MS;
                    self.heard(is_new.then(|| header.head()));
                    *at = Some(block.cursor());
                    self.commands
                        .send(Command::Block(to_block(block)))
                        .await
                        .ok()?;
                }
                Ok(Event::Alive(heartbeat)) => self.heard(Some(heartbeat.head)),
                Ok(Event::Waiting { error, retry_in }) => {
                    tracing::info!(%error, ?retry_in, "the aggregator's journal is not reached");
                    self.lost(&error.to_string());
                }
                Ok(Event::Began { incarnation, fork }) => {
                    tracing::info!(incarnation, ?fork, "an incarnation of the journal begins");
                }
                Ok(Event::Gap {
                    incarnation,
                    from_height,
                }) => {
                    tracing::warn!(
                        incarnation,
                        from_height,
                        "the source says that it lost blocks"
                    );
                }
                Ok(Event::Missing {
                    incarnation,
                    to_height,
                }) => {
                    tracing::warn!(
                        incarnation,
                        to_height,
                        "the source no longer has older blocks"
                    );
                }
                Err(error) => return Some(error),
            }
        }
        None
    }

    fn heard(&self, head: Option<Head>) {
        self.metrics.connected.set(1);
        self.status.send_if_modified(|status| {
            let target = status
                .target
                .or_else(|| head.map(|head| (head.incarnation, head.height)));
            let is_news =
                !status.is_connected || status.problem.is_some() || status.target != target;
            (status.is_connected, status.problem, status.target) = (true, None, target);
            is_news
        });
    }

    fn lost(&self, why: &str) {
        self.metrics.connected.set(0);
        self.status.send_modify(|status| {
            (status.is_connected, status.target) = (false, None);
            status.problem = Some(why.to_owned());
        });
    }
}

fn to_block(block: VerifiedBlock) -> Block {
    let (cursor, time_ms) = (block.cursor(), block.header.time_ms);
    let transactions = block.entries.into_iter().map(|entry| Transaction {
        publisher: entry.transaction.publisher(),
        publisher_name: entry.publisher.map(|vouched| vouched.holder.name.clone()),
        created_ms: entry.transaction.envelope().created_ms,
        added: entry.added,
        records: entry.records,
    });
    Block {
        cursor,
        time_ms,
        transactions: transactions.collect(),
    }
}

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

/// A block that is younger than this is as good as the head.
const RECENT_MS: u64 = 5_000;
/// Time before a journal that failed is tried again, at first and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_was_connected_and_has_committed_what_there_was() {
        let cursor = |height| {
            Some(Cursor {
                journal: PublicKey::new([1; 32]),
                incarnation: 2,
                height,
            })
        };
        let connected = SourceStatus {
            is_connected: true,
            ..SourceStatus::default()
        };
        let caught_up = SourceStatus {
            target: Some((2, 5)),
            ..connected.clone()
        };
        for (status, committed, expected) in [
            (&SourceStatus::default(), cursor(Some(9)), Some("not read")),
            (&connected, cursor(Some(9)), Some("not known yet")),
            (&caught_up, None, Some("before its first block")),
            (&caught_up, cursor(None), Some("catching up with 2/5")),
            (&caught_up, cursor(Some(4)), Some("catching up with 2/5")),
            (&caught_up, cursor(Some(5)), None),
            (&caught_up, cursor(Some(6)), None),
        ] {
            let reasons = status.not_ready(committed);
            match expected {
                Some(part) => assert!(reasons[0].contains(part), "{reasons:?}"),
                None => assert!(reasons.is_empty(), "{reasons:?}"),
            }
        }
    }
}
