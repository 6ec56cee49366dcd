//! The source: an aggregator's journal, verified and in order, and lookups for absent records.

mod fetch;
mod status;

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use kittengrad_client::{
    Client,
    subscribe::{
        Bodies, Event, FrameFault, SubscribeError, SubscribeOptions, Subscription, VerifiedBlock,
    },
};
use kittengrad_indexer_core::{
    Block, Last, Transaction,
    follow::{End, Following, Next},
};
use kittengrad_journal::FollowError;
use kittengrad_proto::{id::PublicKey, signed::Ed25519};
use tokio::sync::{mpsc, watch};

pub use self::{fetch::fetch, status::SourceStatus};
use crate::{driver::Command, metrics::IndexerMetrics};

/// Follows the journal of one aggregator.
#[derive(Debug)]
pub struct Source {
    /// Connects to the aggregator.
    pub client: Client,
    /// The aggregator's key.
    pub journal: PublicKey,
    /// Takes the blocks to the driver.
    pub commands: mpsc::Sender<Command>,
    /// Tells readiness and the status page about the source.
    pub status: watch::Sender<SourceStatus>,
    /// Metrics of the indexer.
    pub metrics: IndexerMetrics,
}

impl Source {
    /// Feeds every block after `last` to the driver, until the driver ends.
    ///
    /// A lost connection is made again. Blocks that do not verify are refused, and the subscription is retried after a
    /// pause. A journal that changed, such as that of an aggregator restored from a copy, is read from its first block.
    pub async fn follow(self, last: Option<Last>) {
        self.status
            .send_modify(|status| status.journal = Some(self.journal));
        let mut following = Following::new(last);
        loop {
            let options = SubscribeOptions {
                start: following.begin().into(),
                bodies: Bodies::Records,
                follow: true,
                give_up_after: None,
                own_head: None,
            };
            let events = self.client.subscribe(self.journal, options);
            let Some(error) = self.read(events, &mut following).await else {
                return;
            };
            self.status
                .send_modify(|status| status.lost(&error.to_string()));
            self.metrics.connected.set(0);
            let random = getrandom::u64().unwrap_or_default();
            let (next, pause_ms) = following.ended(end_of(&error), random);
            let wait = Duration::from_millis(pause_ms);
            match next {
                Next::Retry => {
                    tracing::error!(%error, ?wait, "the aggregator's journal cannot be read; trying again");
                }
                Next::From(start) => {
                    tracing::warn!(%start, %error, "the source cannot continue after the last block; reading from its first one");
                }
                Next::Again => {
                    tracing::error!(%error, ?wait, "the aggregator's journal changed, perhaps restored from a copy; reading it from its first block");
                    let again = Command::Again(self.journal);
                    if self.commands.send(again).await.is_err() {
                        return;
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads until an error. `None` if the driver ended.
    async fn read(
        &self,
        mut events: Subscription,
        following: &mut Following,
    ) -> Option<SubscribeError> {
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Block(block)) => {
                    self.heard(SourceStatus::heard);
                    let block = to_block(*block);
                    self.room().await?;
                    following.read(block.last);
                    self.commands.send(Command::Block(block)).await.ok()?;
                }
                Ok(Event::Alive(beat)) => {
                    let head = beat.heartbeat.head;
                    self.heard(|status| status.heard_head(head, Instant::now()));
                }
                Ok(Event::Waiting { error, retry_in }) => {
                    tracing::info!(%error, ?retry_in, "the aggregator is not reached; trying again");
                    self.metrics.connected.set(0);
                    self.status
                        .send_modify(|status| status.lost(&error.to_string()));
                }
                Ok(Event::Evidence(evidence)) => {
                    if let Ok(rule) = evidence.check(&Ed25519) {
                        let accused = evidence.accused();
                        let evidence = HEXLOWER.encode(&evidence.encode());
                        tracing::error!(?accused, %rule, evidence, "the source broke a rule");
                    }
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
                        "the source lost blocks, by its own statement"
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

    /// Waits until the disk has room. `None` if the sender of the status is gone.
    async fn room(&self) -> Option<()> {
        let mut status = self.status.subscribe();
        let room = status.wait_for(|status| status.shortage.is_none()).await;
        room.is_ok().then_some(())
    }

    fn heard(&self, take: impl FnOnce(&mut SourceStatus) -> bool) {
        self.metrics.connected.set(1);
        self.status.send_if_modified(take);
    }
}

/// Classifies the error that ended a subscription.
const fn end_of(error: &SubscribeError) -> End {
    match error {
        SubscribeError::TooOld { start } | SubscribeError::Future { start } => End::Moved(*start),
        SubscribeError::UnknownIncarnation { .. }
        | SubscribeError::Tampered(FrameFault::Follow(
            FollowError::Link { .. } | FollowError::Equivocation { .. },
        )) => End::Other,
        _ => End::Failed,
    }
}

fn to_block(block: VerifiedBlock) -> Block {
    let last = Last {
        journal: block.header.peer,
        head: block.header.head(),
        time_ms: block.header.time_ms,
    };
    let transactions = block.entries.into_iter().map(|entry| Transaction {
        publisher: entry.transaction.publisher(),
        publisher_name: entry.publisher.map(|vouched| vouched.holder.name.clone()),
        created_ms: entry.transaction.envelope().created_ms,
        added: entry.added,
        records: entry.records,
    });
    Block {
        last,
        transactions: transactions.collect(),
    }
}

#[cfg(test)]
mod tests {
    use kittengrad_proto::{
        cursor::Cursor,
        id::{Id, PublicKey},
    };

    use super::*;

    #[test]
    fn a_signed_block_that_does_not_continue_is_another_journal() {
        let link = FollowError::Link {
            height: 101,
            previous: Id::ZERO,
            expected: Id::of(&[b"another"]),
        };
        assert_eq!(end_of(&FrameFault::Follow(link).into()), End::Other);
        assert_eq!(end_of(&FrameFault::Empty.into()), End::Failed);
        assert_eq!(end_of(&SubscribeError::OtherJournal), End::Failed);
    }

    #[test]
    fn a_journal_without_the_incarnation_is_another_journal() {
        let start = Cursor {
            journal: PublicKey::new([1; 32]),
            incarnation: 7,
            height: None,
        };
        let unknown = SubscribeError::UnknownIncarnation { start };
        assert_eq!(end_of(&unknown), End::Other);
        assert_eq!(end_of(&SubscribeError::Future { start }), End::Moved(start));
    }
}
