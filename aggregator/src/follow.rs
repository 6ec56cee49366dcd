//! Following one source: its verified blocks to the driver, and again from where that is whenever they end.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use kittengrad_aggregator_core::{Input, SourceBlock, SourceEntry, redirect};
use kittengrad_client::{
    Client,
    subscribe::{
        Bodies, Event, Resume, Start, SubscribeError, SubscribeOptions, VerifiedBlock,
        VerifiedEntry,
    },
};
use kittengrad_journal::Follower;
use kittengrad_proto::{
    block::Block,
    cursor::{Cursor, Position},
    id::PublicKey,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{driver::Command, plans::Reader};

/// Bytes of blocks of one source that are in memory, in units of [`UNIT_BYTES`].
const MEMORY_UNITS: u32 = 256;
/// 64 KiB: together 16 MiB, two blocks of the largest kind.
const UNIT_BYTES: usize = 64 * 1024;
/// Pause before a source is tried again that cannot be followed from where we are.
const WAITING_PAUSE: Duration = Duration::from_secs(5);
/// Pause before a source is tried again that showed what does not verify.
const LYING_PAUSE: Duration = Duration::from_secs(30);

/// The follower of one source.
pub(crate) struct Following {
    pub(crate) source: PublicKey,
    pub(crate) client: Client,
    pub(crate) commands: mpsc::Sender<Command>,
    /// Told when the core found what the subscription could not.
    pub(crate) told: Arc<Reader>,
    /// Why nothing is to be read at the moment.
    pub(crate) shortage: watch::Receiver<Option<String>>,
    pub(crate) shutdown: CancellationToken,
}

/// Why reading ended.
enum Ended {
    /// The source cannot go on from where we are, or refuses.
    Failed(SubscribeError),
    /// The core found a lie; it knows already.
    Lied,
    /// The core is to be given the journal from another place.
    Behind,
    /// The subscription is over without a word.
    Closed,
}

/// It is to stop, or the driver is gone.
struct Gone;

impl Following {
    /// Follows until it is told to stop or the driver is gone; returns whether it was told.
    pub(crate) async fn run(self) -> bool {
        let memory = Arc::new(Semaphore::new(MEMORY_UNITS as usize));
        let mut redirected = None;
        while let Ok(next) = self.follow(redirected, &memory).await {
            redirected = next;
        }
        self.shutdown.is_cancelled()
    }

    /// Follows until the source cannot be followed as it is. Gives where it begins now, if it said so.
    async fn follow(
        &self,
        redirected: Option<Cursor>,
        memory: &Arc<Semaphore>,
    ) -> Result<Option<Cursor>, Gone> {
        let position = self.position().await?;
        let start = redirected.map_or_else(|| start_of(position), start_at);
        match self.read(start, memory).await? {
            Ended::Failed(SubscribeError::Tampered(fault)) => {
                self.input(Input::Lying(self.source, fault.to_string()))
                    .await?;
                self.pause_after_lie().await?;
            }
            Ended::Lied => self.pause_after_lie().await?,
            Ended::Behind => {}
            Ended::Failed(error) => {
                if redirected.is_none()
                    && let Some(start) = start_instead(&error)
                    && let Some(start) = redirect(start, position)
                {
                    return Ok(Some(start));
                }
                self.input(Input::Down(self.source, error.to_string()))
                    .await?;
                self.pause(WAITING_PAUSE).await?;
            }
            Ended::Closed => self.pause(WAITING_PAUSE).await?,
        }
        Ok(None)
    }

    /// Where the core is in the source's journal, after everything sent to it so far.
    async fn position(&self) -> Result<Option<Follower>, Gone> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Position {
            source: self.source,
            answer,
        })
        .await?;
        answered.await.map_err(|_| Gone)
    }

    async fn send(&self, command: Command) -> Result<(), Gone> {
        self.commands.send(command).await.map_err(|_| Gone)
    }

    async fn input(&self, input: Input) -> Result<(), Gone> {
        self.send(Command::Input(input)).await
    }

    /// Reads a subscription to its end.
    async fn read(&self, start: Start, memory: &Arc<Semaphore>) -> Result<Ended, Gone> {
        let options = SubscribeOptions {
            start,
            bodies: Bodies::Records,
            follow: true,
            give_up_after: None,
        };
        let mut subscription = self.client.subscribe(self.source, options);
        loop {
            let event = tokio::select! {
                () = self.shutdown.cancelled() => return Err(Gone),
                () = self.told.lies.notified() => return Ok(Ended::Lied),
                () = self.told.is_behind.notified() => return Ok(Ended::Behind),
                event = subscription.next() => event,
            };
            match event {
                Some(Ok(event)) => self.take(event, memory).await?,
                Some(Err(error)) => return Ok(Ended::Failed(error)),
                None => return Ok(Ended::Closed),
            }
        }
    }

    /// Hands an event on.
    async fn take(&self, event: Event, memory: &Arc<Semaphore>) -> Result<(), Gone> {
        match event {
            Event::Block(block) => {
                let memory = self.room_for(&block, memory).await?;
                let Some(block) = source_block(block) else {
                    let why = "a transaction came without its publisher's certificates".to_owned();
                    return self.input(Input::Lying(self.source, why)).await;
                };
                let (source, block) = (self.source, Box::new(block));
                self.send(Command::Block {
                    source,
                    block,
                    memory,
                })
                .await
            }
            Event::Alive(heartbeat) => self.input(Input::Alive(self.source, heartbeat)).await,
            Event::Waiting { error, .. } => {
                self.input(Input::Down(self.source, error.to_string()))
                    .await
            }
            Event::Missing {
                incarnation,
                to_height,
            } => {
                let source = self.source;
                tracing::warn!(
                    ?source,
                    incarnation,
                    to_height,
                    "a source no longer has its first blocks"
                );
                Ok(())
            }
            // The core sees both in the block itself.
            Event::Began { .. } | Event::Gap { .. } => Ok(()),
        }
    }

    /// Waits until a block fits into memory and onto the disk.
    async fn room_for(
        &self,
        block: &VerifiedBlock,
        memory: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, Gone> {
        let units = u32::try_from(bytes_of(block).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let mut shortage = self.shortage.clone();
        let room = async {
            shortage.wait_for(Option::is_none).await.map_err(|_| Gone)?;
            let memory = Arc::clone(memory);
            memory
                .acquire_many_owned(units.clamp(1, MEMORY_UNITS))
                .await
                .map_err(|_| Gone)
        };
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Gone),
            room = room => room,
        }
    }

    async fn pause_after_lie(&self) -> Result<(), Gone> {
        self.pause(LYING_PAUSE).await?;
        // The core also told of a lie that it heard of from here.
        let _ = self.told.lies.notified().now_or_never();
        self.input(Input::Retry(self.source)).await
    }

    async fn pause(&self, pause: Duration) -> Result<(), Gone> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Gone),
            () = sleep(pause) => Ok(()),
        }
    }
}

/// Where a source that cannot go on from our cursor can begin.
const fn start_instead(error: &SubscribeError) -> Option<Cursor> {
    match error {
        SubscribeError::UnknownIncarnation { start }
        | SubscribeError::TooOld { start }
        | SubscribeError::Future { start } => Some(*start),
        _ => None,
    }
}

fn start_of(position: Option<Follower>) -> Start {
    let resume = position.and_then(|position| {
        let (head, time_ms) = (position.head()?, position.time_ms());
        Some(Start::Resume(Resume {
            head,
            time_ms,
            offset: None,
        }))
    });
    resume.unwrap_or(Start::Genesis)
}

const fn start_at(cursor: Cursor) -> Start {
    Start::Cursor(Position {
        cursor,
        elements: 0,
    })
}

fn bytes_of(block: &VerifiedBlock) -> usize {
    let items: usize = block.item_bytes.iter().map(bytes::Bytes::len).sum();
    let entry = |entry: &VerifiedEntry| {
        let records: usize = entry.records.values().map(bytes::Bytes::len).sum();
        records + entry.transaction.signed().size_bytes()
    };
    items + block.entries.iter().map(entry).sum::<usize>()
}

/// The block as the core takes it; `None` if a transaction came without its publisher's certificates, which
/// a subscription with records does not let through.
fn source_block(block: VerifiedBlock) -> Option<SourceBlock> {
    let entry = |entry: VerifiedEntry| {
        Some(SourceEntry {
            transaction: entry.transaction,
            records: entry.records,
            chain: Arc::new(entry.publisher?.chain.clone()),
        })
    };
    Some(SourceBlock {
        block: Block {
            header: block.header,
            items: block.item_bytes,
        },
        entries: block
            .entries
            .into_iter()
            .map(entry)
            .collect::<Option<_>>()?,
    })
}
