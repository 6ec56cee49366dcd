//! The driver: one thread that owns the core and the store's writes, and keeps the core's contract.
//!
//! It takes everything that is queued, hands it to the core, and cuts a block of it: one synced commit, and only
//! then the head is shown. While a commit is under way the next round collects, so blocks grow under load and are
//! small when idle.

use std::{
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_aggregator_core::{
    Aggregator, Config, Event, Fatal, Fetch, Input, Now, Plan, SourceBlock, Status,
    driver::{self, ROUND_MAX, Step},
};
use kittengrad_journal::{Follower, JournalError, StateError, StoreError, Tip, Write};
use kittengrad_proto::id::PublicKey;
use kittengrad_service::clock;
use kittengrad_store::RocksStore;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::{metrics::AggregatorMetrics, readers::Readers, show::StatusAt};

/// Commands that may wait for the driver.
pub(crate) const COMMANDS_MAX: usize = 1_024;
/// Records that may wait to be fetched; what is beyond is asked for again later.
pub(crate) const FETCHES_MAX: usize = 65_536;

/// Why the driver stopped. The process ends: recovery is a restart.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The core could not go on.
    #[error(transparent)]
    Core(#[from] Fatal),
    /// A commit failed; nothing of it was shown.
    #[error("commit: {0}")]
    Commit(StoreError),
    /// Somebody read what is damaged, for a client.
    #[error("a read found the store damaged: {0}")]
    Damage(String),
}

impl DriverError {
    /// What is on the disk is not what was written, so that a restart alone does not help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damage(_)
                | Self::Commit(StoreError::Damaged(_))
                | Self::Core(
                    Fatal::Store(StoreError::Damaged(_))
                        | Fatal::Journal(JournalError::Store(StoreError::Damaged(_)))
                )
                | Self::Core(
                    Fatal::State(
                        StateError::Store(StoreError::Damaged(_)) | StateError::Form { .. }
                    ) | Fatal::Settled { .. }
                        | Fatal::Absent { .. }
                )
        )
    }
}

/// What others ask of the driver.
pub(crate) enum Command {
    /// For the core.
    Input(Input),
    /// A block of a source, and the memory that it takes until it is emitted.
    Block {
        source: PublicKey,
        block: Box<SourceBlock>,
        memory: OwnedSemaphorePermit,
    },
    /// Where to go on in the journal of a source.
    Position {
        source: PublicKey,
        answer: oneshot::Sender<Option<Follower>>,
    },
    /// Finish: everything queued before this is still done.
    Stop,
}

/// Where the driver's word goes.
pub(crate) struct Outlets {
    pub(crate) fetches: mpsc::Sender<Fetch>,
    /// Those who read the sources.
    pub(crate) readers: Readers,
    pub(crate) metrics: AggregatorMetrics,
}

/// The other ends of what the driver shows.
pub(crate) struct Seen {
    /// Only what is committed.
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    pub(crate) view: watch::Receiver<Arc<StatusAt>>,
}

/// The core with everything around it.
pub(crate) struct Driver {
    core: driver::Driver,
    store: Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    /// The core is told of the newest before anything else.
    plans: watch::Receiver<Arc<Plan>>,
    tip: watch::Sender<Option<Tip>>,
    view: watch::Sender<Arc<StatusAt>>,
    outlets: Outlets,
    /// Memory of the blocks that each source has in the core, oldest first.
    memory: BTreeMap<PublicKey, VecDeque<OwnedSemaphorePermit>>,
    started: Instant,
}

impl Driver {
    /// Opens the journal.
    pub(crate) fn new(
        config: Config,
        store: Arc<RocksStore>,
        commands: mpsc::Receiver<Command>,
        mut plans: watch::Receiver<Arc<Plan>>,
        outlets: Outlets,
    ) -> Result<(Self, Seen), DriverError> {
        let started = Instant::now();
        let aggregator = Aggregator::open(config, &*store, now(started))?;
        // What a channel begins with counts as seen.
        plans.mark_changed();
        let (tip, tip_seen) = watch::channel(None);
        let (view, view_seen) = watch::channel(Arc::new(StatusAt::new(Status::default())));
        let seen = Seen {
            tip: tip_seen,
            view: view_seen,
        };
        let driver = Self {
            core: driver::Driver::new(aggregator),
            store,
            commands,
            plans,
            tip,
            view,
            outlets,
            memory: BTreeMap::new(),
            started,
        };
        Ok((driver, seen))
    }

    /// Runs until it is told to stop, or everybody who could is gone.
    pub(crate) fn run(mut self) -> Result<(), DriverError> {
        let mut batch = Vec::with_capacity(ROUND_MAX);
        loop {
            if self.commands.blocking_recv_many(&mut batch, ROUND_MAX) == 0 {
                return Ok(());
            }
            // There is a tick every now and then, so that damage does not stay unnoticed.
            if let Some(damage) = self.store.damage() {
                return Err(DriverError::Damage(damage.to_owned()));
            }
            // The sender may be gone when the process ends: the last plan stays.
            let plan = self.plans.has_changed().unwrap_or(false);
            let plan = plan.then(|| Input::Plan((**self.plans.borrow_and_update()).clone()));
            let plan = plan.into_iter().map(Command::Input);
            let mut commands = plan.chain(batch.drain(..)).peekable();
            let mut is_last = false;
            while self.core.is_due() || commands.peek().is_some() {
                is_last |= self.round(&mut commands)?;
            }
            drop(commands);
            self.show();
            if is_last {
                return Ok(());
            }
        }
    }

    /// One round: takes commands until a block is full. Returns whether one of them was the last.
    fn round(
        &mut self,
        commands: &mut Peekable<impl Iterator<Item = Command>>,
    ) -> Result<bool, DriverError> {
        let mut is_last = false;
        let mut round = self.core.begin(now(self.started), &*self.store)?;
        while round.has_room()
            && let Some(command) = commands.next()
        {
            match command {
                Command::Input(input) => round.take(input)?,
                Command::Block {
                    source,
                    block,
                    memory,
                } => {
                    self.memory.entry(source).or_default().push_back(memory);
                    round.take(Input::Block(source, block))?;
                }
                Command::Position { source, answer } => {
                    // Whoever asked may have gone away.
                    let _ = answer.send(round.taken(&source));
                }
                Command::Stop => is_last = true,
            }
        }
        for step in round.end()? {
            self.perform(step)?;
        }
        Ok(is_last)
    }

    fn perform(&mut self, step: Step) -> Result<(), DriverError> {
        match step {
            Step::Commit(writes) => self.commit(writes)?,
            Step::Publish(tip) => {
                self.tip
                    .send_if_modified(|shown| shown.replace(tip) != Some(tip));
            }
            Step::Fetch(fetch) => {
                // What finds no room is asked for again.
                let _ = self.outlets.fetches.try_send(fetch);
            }
            Step::Free(source, blocks) => {
                if let Some(memory) = self.memory.get_mut(&source) {
                    memory.drain(..blocks.min(memory.len()));
                }
            }
            Step::Tell(event) => self.tell(&event),
        }
        Ok(())
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), DriverError> {
        if !writes.is_empty() {
            self.outlets.metrics.journal.commit(&writes);
            let begun = Instant::now();
            self.store.commit(writes).map_err(DriverError::Commit)?;
            self.outlets
                .metrics
                .journal
                .commit
                .committed(begun.elapsed());
        }
        self.core.committed();
        Ok(())
    }

    fn show(&self) {
        let view = self.core.view(now(self.started));
        self.outlets.metrics.view(&view);
        self.view.send_replace(Arc::new(StatusAt::new(view)));
    }

    fn tell(&self, event: &Event) {
        self.outlets.metrics.event(event);
        match event {
            Event::Began {
                source,
                incarnation,
            } => {
                tracing::info!(?source, incarnation, "a journal begins");
            }
            Event::Gap {
                source,
                incarnation,
                from_height,
            } => {
                tracing::warn!(?source, incarnation, from_height, "a source lost blocks");
            }
            Event::Behind { source } => {
                tracing::warn!(?source, "an old disk came back; its journal is read again");
                self.outlets.readers.of(*source).is_behind.notify_one();
            }
            Event::Source {
                source,
                waiting: None,
            } => {
                tracing::info!(?source, "a source answers");
            }
            Event::Source {
                source,
                waiting: Some(why),
            } => {
                tracing::warn!(?source, why, "a source is waited for");
            }
            Event::Lied { source, why } => {
                tracing::warn!(?source, why, "a source showed what does not verify");
                self.outlets.readers.of(*source).lies.notify_one();
            }
            Event::WithoutRecords {
                transaction,
                records,
            } => {
                tracing::warn!(%transaction, records, "emitted without records: nobody has them");
            }
            Event::Partly {
                transaction,
                canonicals,
            } => {
                tracing::warn!(
                    %transaction,
                    canonicals,
                    "emitted in part: nobody has the rest, and no journal lists it"
                );
            }
        }
    }
}

fn now(started: Instant) -> Now {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        monotonic_ms: millis(started.elapsed()),
        wall_ms: clock::unix_ms(),
    }
}
