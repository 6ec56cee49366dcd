//! Following one source: sends its verified blocks to the driver. When a subscription ends, the next one starts at the
//! driver's position.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use kittengrad_aggregator_core::{
    Input, Mode, SourceBlock, SourceEntry,
    follow::{self, End, Next},
};
use kittengrad_client::{
    Client,
    subscribe::{
        Bodies, Event, Start, SubscribeError, SubscribeOptions, VerifiedBlock, VerifiedEntry,
    },
};
use kittengrad_proto::{block::Block, id::PublicKey, signed_head::SignedHead};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    driver::{Command, Position},
    readers::Reader,
};

/// Memory for the blocks of one source, in units of [`UNIT_BYTES`]: 16 MiB, two blocks of the largest size.
const MEMORY_UNITS: u32 = 256;
/// Bytes of one unit of memory.
const UNIT_BYTES: usize = 64 * 1024;

/// The follower of one source.
pub(crate) struct Following {
    pub(crate) source: PublicKey,
    pub(crate) client: Client,
    pub(crate) commands: mpsc::Sender<Command>,
    /// Notices of the core about faults that the subscription cannot see.
    pub(crate) notices: Arc<Reader>,
    /// The reason to pause reading, such as a full disk. `None` while there is room.
    pub(crate) shortage: watch::Receiver<Option<String>>,
    /// The last head of our own journal, for the source.
    pub(crate) own_head: watch::Receiver<Option<Arc<SignedHead>>>,
    pub(crate) shutdown: CancellationToken,
}

/// The follower must stop, or the driver has ended.
struct Gone;

impl Following {
    /// Follows the source until `shutdown` or until the driver has ended. Returns true for `shutdown`.
    pub(crate) async fn run(self) -> bool {
        let memory = Arc::new(Semaphore::new(MEMORY_UNITS as usize));
        let mut following = follow::Following::new(self.source);
        while self.follow(&mut following, &memory).await.is_ok() {}
        self.shutdown.is_cancelled()
    }

    /// Reads one subscription to its end, reports the end to the core, and pauses.
    async fn follow(
        &self,
        following: &mut follow::Following,
        memory: &Arc<Semaphore>,
    ) -> Result<(), Gone> {
        let Position { taken, mode } = self.position().await?;
        let start = following.start(taken.as_ref()).into();
        let end = self.read(start, mode, memory).await?;
        let is_lie = matches!(end, End::Tampered(_) | End::Lied);
        let Next {
            tell,
            pause_ms,
            then,
        } = following.ended(end, taken.as_ref());
        if let Some(input) = tell {
            self.input(input).await?;
        }
        self.pause(Duration::from_millis(pause_ms)).await?;
        if is_lie {
            // The core also sends a notice for a lie that this follower reported. The next subscription must not end by
            // it.
            let _ = self.notices.lies.notified().now_or_never();
        }
        match then {
            Some(input) => self.input(input).await,
            None => Ok(()),
        }
    }

    /// Returns the core's position in the source's journal, after all commands sent so far.
    async fn position(&self) -> Result<Position, Gone> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Position {
            source: self.source,
            answer,
        })
        .await?;
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Gone),
            answered = answered => answered.map_err(|_| Gone),
        }
    }

    /// Queues a command. Returns on `shutdown` even while the queue is full.
    async fn send(&self, command: Command) -> Result<(), Gone> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Gone),
            sent = self.commands.send(command) => sent.map_err(|_| Gone),
        }
    }

    async fn input(&self, input: Input) -> Result<(), Gone> {
        self.send(Command::Input(input)).await
    }

    /// Reads one subscription, and returns how it ended.
    async fn read(&self, start: Start, mode: Mode, memory: &Arc<Semaphore>) -> Result<End, Gone> {
        let options = SubscribeOptions {
            start,
            bodies: match mode {
                Mode::Read => Bodies::Records,
                Mode::Items => Bodies::None,
            },
            follow: true,
            give_up_after: None,
            own_head: Some(self.own_head.clone()),
        };
        let mut subscription = self.client.subscribe(self.source, options);
        loop {
            let event = tokio::select! {
                () = self.shutdown.cancelled() => return Err(Gone),
                () = self.notices.lies.notified() => return Ok(End::Lied),
                () = self.notices.is_behind.notified() => return Ok(End::Behind),
                () = self.notices.is_switched.notified() => return Ok(End::Mode),
                event = subscription.next() => event,
            };
            match event {
                Some(Ok(event)) => self.take(event, mode, memory).await?,
                Some(Err(error)) => return Ok(end_of(&error)),
                None => return Ok(End::Closed),
            }
        }
    }

    /// Sends an event to the driver. A block waits for memory first.
    async fn take(&self, event: Event, mode: Mode, memory: &Arc<Semaphore>) -> Result<(), Gone> {
        match event {
            Event::Block(block) => {
                let memory = self.room_for(&block, memory).await?;
                let Some(block) = source_block(*block, mode) else {
                    let why =
                        "a transaction arrived without its publisher's certificates".to_owned();
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
            Event::Alive(beat) => self.input(Input::Alive(self.source, beat)).await,
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
            Event::Evidence(evidence) => {
                let by = self.source;
                self.input(Input::Evidence { by, evidence }).await
            }
            // The core reads both from the block itself.
            Event::Began { .. } | Event::Gap { .. } => Ok(()),
        }
    }

    /// Waits until there are memory and disk space for a block. A block above the limit takes all units.
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

    async fn pause(&self, pause: Duration) -> Result<(), Gone> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Gone),
            () = sleep(pause) => Ok(()),
        }
    }
}

/// Classifies an error of a subscription.
fn end_of(error: &SubscribeError) -> End {
    let why = error.to_string();
    match error {
        SubscribeError::Tampered(fault) => End::Tampered(fault.to_string()),
        SubscribeError::UnknownIncarnation { start }
        | SubscribeError::TooOld { start }
        | SubscribeError::Future { start } => {
            let start = Some(*start);
            End::Refused { start, why }
        }
        _ => End::Refused { start: None, why },
    }
}

fn bytes_of(block: &VerifiedBlock) -> usize {
    let items: usize = block.item_bytes.iter().map(bytes::Bytes::len).sum();
    let entry = |entry: &VerifiedEntry| {
        let records: usize = entry.records.values().map(bytes::Bytes::len).sum();
        records + entry.transaction.signed().size_bytes()
    };
    items + block.entries.iter().map(entry).sum::<usize>()
}

/// Converts a block for the core that was read in a mode. `None` if a transaction has no certificates of its publisher. A
/// subscription with records does not let such a block through.
fn source_block(block: VerifiedBlock, mode: Mode) -> Option<SourceBlock> {
    let entry = |entry: VerifiedEntry| {
        Some(SourceEntry {
            transaction: entry.transaction,
            records: entry.records,
            chain: Arc::new(entry.publisher?.chain.clone()),
        })
    };
    let entries = match mode {
        Mode::Read => Some(
            block
                .entries
                .into_iter()
                .map(entry)
                .collect::<Option<_>>()?,
        ),
        Mode::Items => None,
    };
    Some(SourceBlock {
        block: Block {
            header: block.header,
            items: block.item_bytes,
            through: block.through,
        },
        entries,
    })
}
