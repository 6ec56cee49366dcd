//! The source: an aggregator's journal, verified and in order, and lookups for what did not come along.

mod fetch;
mod status;

use std::time::Instant;

use kittengrad_client::{
    Client,
    pauses::Pauses,
    subscribe::{
        Bodies, Event, FrameFault, Resume, Start, SubscribeError, SubscribeOptions, Subscription,
        VerifiedBlock,
    },
};
use kittengrad_client_core::routing::Backoff;
use kittengrad_indexer_core::{Block, Last, Transaction};
use kittengrad_journal::FollowError;
use kittengrad_proto::{
    cursor::{Cursor, Position},
    id::PublicKey,
};
use tokio::sync::{mpsc, watch};

pub use self::{fetch::fetch, status::SourceStatus};
use crate::{driver::Command, metrics::IndexerMetrics};

/// Time before a journal that failed is tried again.
const RETRY: Backoff = Backoff {
    base_ms: 1_000,
    max_ms: 30_000,
};

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

/// Where in the journal reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the first block that there is.
    Genesis,
    /// Where the source said that it begins.
    Said(Cursor),
    /// After a block that was read.
    Read(Last),
}

/// What to do after reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Try the same again.
    Retry,
    /// Go on there: nothing that the source still has is passed over.
    From(Cursor),
    /// The journal is not the one that was read; what it has now may be anything: read it from its first block.
    Again,
}

impl Source {
    /// Feeds every block after `last` to the driver, for as long as that listens. Connections that are lost are
    /// made again; a journal that does not verify is tried again, and nothing of it is taken; one that is not
    /// what it was, because its owner was restored from a copy, is read from its first block.
    pub async fn follow(self, last: Option<Last>) {
        self.status
            .send_modify(|status| status.journal = Some(self.journal));
        let mut at = last.map_or(At::Genesis, At::Read);
        let mut pauses = Pauses::new(RETRY);
        loop {
            let options = SubscribeOptions {
                start: at.start(),
                bodies: Bodies::Records,
                follow: true,
                give_up_after: None,
            };
            let before = at;
            let events = self.client.subscribe(self.journal, options);
            let Some(error) = self.read(events, &mut at).await else {
                return;
            };
            self.status
                .send_modify(|status| status.lost(&error.to_string()));
            self.metrics.connected.set(0);
            let next = next(&error, at);
            if at != before && next != Next::Again {
                pauses.reset();
            }
            let wait = pauses.after_failure();
            match next {
                Next::Retry => {
                    tracing::error!(%error, ?wait, "the aggregator's journal cannot be read; trying again");
                }
                Next::From(start) => {
                    tracing::warn!(%start, %error, "reading on from where the source begins");
                    at = At::Said(start);
                }
                Next::Again => {
                    tracing::error!(%error, ?wait, "the aggregator's journal is not what it was; reading it from its first block");
                    at = At::Genesis;
                    let again = Command::Again(self.journal);
                    if self.commands.send(again).await.is_err() {
                        return;
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads until an error; `None` when the driver listens no more.
    async fn read(&self, mut events: Subscription, at: &mut At) -> Option<SubscribeError> {
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Block(block)) => {
                    self.heard(SourceStatus::heard);
                    let block = to_block(block);
                    self.room().await?;
                    *at = At::Read(block.last);
                    self.commands.send(Command::Block(block)).await.ok()?;
                }
                Ok(Event::Alive(heartbeat)) => {
                    self.heard(|status| status.heard_head(heartbeat.head, Instant::now()));
                }
                Ok(Event::Waiting { error, retry_in }) => {
                    tracing::info!(%error, ?retry_in, "the aggregator's journal is not reached");
                    self.metrics.connected.set(0);
                    self.status
                        .send_modify(|status| status.lost(&error.to_string()));
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

    /// Waits until there is room on the disk; `None` when nobody says any more.
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

impl At {
    const fn start(self) -> Start {
        match self {
            Self::Genesis => Start::Genesis,
            Self::Said(cursor) => Start::Cursor(Position {
                cursor,
                elements: 0,
            }),
            Self::Read(last) => Start::Resume(Resume {
                head: last.head,
                time_ms: last.time_ms,
                offset: None,
            }),
        }
    }

    /// Whether this is before `cursor`.
    fn is_before(self, cursor: Cursor) -> bool {
        let place = |cursor: Cursor| (cursor.incarnation, cursor.height);
        match self {
            Self::Genesis => true,
            Self::Said(at) => place(at) < place(cursor),
            Self::Read(last) => place(last.cursor()) < place(cursor),
        }
    }
}

/// What to do about the error that ended reading at `at`.
fn next(error: &SubscribeError, at: At) -> Next {
    match error {
        SubscribeError::TooOld { start }
        | SubscribeError::UnknownIncarnation { start }
        | SubscribeError::Future { start } => {
            if at.is_before(*start) {
                Next::From(*start)
            } else {
                Next::Again
            }
        }
        SubscribeError::Tampered(FrameFault::Follow(
            FollowError::Link { .. } | FollowError::Equivocation { .. },
        )) => Next::Again,
        _ => Next::Retry,
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
    use kittengrad_proto::{block::Head, id::Id};

    use super::*;

    const JOURNAL: PublicKey = PublicKey::new([1; 32]);

    const fn cursor(incarnation: u64, height: Option<u64>) -> Cursor {
        Cursor {
            journal: JOURNAL,
            incarnation,
            height,
        }
    }

    #[test]
    fn a_journal_that_goes_on_elsewhere_is_followed_and_one_that_went_back_is_read_again() {
        let at = At::Read(Last {
            journal: JOURNAL,
            head: Head {
                incarnation: 5,
                height: 100,
                hash: Id::ZERO,
            },
            time_ms: 1,
        });
        let check = |error: SubscribeError, expected: Next| assert_eq!(next(&error, at), expected);
        let future = |start| SubscribeError::Future { start };
        let unknown = |start| SubscribeError::UnknownIncarnation { start };
        let too_old = |start| SubscribeError::TooOld { start };
        let from = |incarnation, height| Next::From(cursor(incarnation, height));
        check(future(cursor(6, None)), from(6, None));
        check(unknown(cursor(6, None)), from(6, None));
        check(too_old(cursor(5, Some(120))), from(5, Some(120)));
        check(future(cursor(5, Some(80))), Next::Again);
        check(unknown(cursor(4, None)), Next::Again);
        let (height, previous, expected) = (101, Id::ZERO, Id::of(&[b"another"]));
        let link = FollowError::Link {
            height,
            previous,
            expected,
        };
        check(FrameFault::Follow(link).into(), Next::Again);
        check(FrameFault::Empty.into(), Next::Retry);
        check(SubscribeError::OtherJournal, Next::Retry);
    }
}
