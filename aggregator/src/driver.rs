//! The driver: one thread that owns the core and the store's writes, and keeps the core's contract.
//!
//! Each round takes the queued commands, passes them to the core and cuts one block. The head is shown only after the
//! block's synced commit. Commands queue up during a commit, so blocks grow under load and are small when idle.

use std::{
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    sync::Arc,
    time::{Duration, Instant},
};

use kittengrad_aggregator_core::{
    Aggregator, Config, Event, Fatal, Fetch, Input, Mode, Network, Now, Plan, SourceBlock, Status,
    driver::{self, ROUND_MAX, Step},
};
use kittengrad_journal::{BlockStore as _, Follower, StateError, StoreError, Tip, Write};
use kittengrad_proto::{
    block::Header, checkpoint::Statement, id::PublicKey, signed_head::SignedHead,
};
use kittengrad_service::{clock, journal::SigningTimes};
use kittengrad_store::RocksStore;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::{metrics::AggregatorMetrics, readers::Readers, show::StatusAt};

/// Commands in the driver's queue, at most.
pub(crate) const COMMANDS_MAX: usize = 1_024;
/// Records in the fetch queue, at most. The core asks again for records that found no room.
pub(crate) const FETCHES_MAX: usize = 65_536;

/// Why the driver stopped. The process ends; a restart is the recovery.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The core failed.
    #[error(transparent)]
    Core(#[from] Fatal),
    /// A commit failed. Its head was not published.
    #[error("commit: {0}")]
    Commit(StoreError),
    /// A read for a client found the store damaged.
    #[error("a read found the store damaged: {0}")]
    Damage(String),
}

impl DriverError {
    /// Whether the store is damaged, so that a restart alone does not help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damage(_)
                | Self::Commit(StoreError::Damaged(_))
                | Self::Core(
                    Fatal::Store(StoreError::Damaged(_))
                        | Fatal::State(
                            StateError::Store(StoreError::Damaged(_)) | StateError::Form { .. }
                        )
                        | Fatal::Settled { .. }
                        | Fatal::Absent { .. }
                )
        )
    }
}

/// A command for the driver.
pub(crate) enum Command {
    /// An input for the core.
    Input(Input),
    /// A block of a source, with the permit for its memory. The permit is dropped when the core no longer needs the
    /// block.
    Block {
        source: PublicKey,
        block: Box<SourceBlock>,
        memory: OwnedSemaphorePermit,
    },
    /// Asks for the core's position in the journal of a source.
    Position {
        source: PublicKey,
        answer: oneshot::Sender<Position>,
    },
    /// Stops the driver. Commands queued before this one are still performed.
    Stop,
}

/// Where and how to read on in the journal of a source.
pub(crate) struct Position {
    /// The last block that the core took in. `None` before the first.
    pub(crate) taken: Option<Follower>,
    pub(crate) mode: Mode,
}

/// Outputs of the driver.
pub(crate) struct Outlets {
    pub(crate) fetches: mpsc::Sender<Fetch>,
    /// Notices for the followers of the sources.
    pub(crate) readers: Readers,
    pub(crate) metrics: AggregatorMetrics,
}

/// Receivers of the driver's head and status.
pub(crate) struct Seen {
    /// The head of the journal, after its synced commit.
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    /// Published after the tip that it describes.
    pub(crate) statement: watch::Receiver<Option<Arc<Statement>>>,
    /// The last block on disk, as it was signed. Also that of an earlier incarnation.
    pub(crate) own_head: watch::Receiver<Option<Arc<SignedHead>>>,
    /// Dates the heartbeats that other threads sign.
    pub(crate) times: SigningTimes,
    /// The sources to follow.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) view: watch::Receiver<Arc<StatusAt>>,
}

/// The core with its store, its channels and the memory of its blocks.
pub(crate) struct Driver {
    core: driver::Driver,
    store: Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    /// The newest ring. The core gets it before any other input of a round.
    networks: watch::Receiver<Arc<Network>>,
    plans: watch::Sender<Arc<Plan>>,
    statement: watch::Sender<Option<Arc<Statement>>>,
    own_head: watch::Sender<Option<Arc<SignedHead>>>,
    times: SigningTimes,
    tip: watch::Sender<Option<Tip>>,
    view: watch::Sender<Arc<StatusAt>>,
    outlets: Outlets,
    /// Permits for the memory of each source's blocks in the core, oldest first.
    memory: BTreeMap<PublicKey, VecDeque<OwnedSemaphorePermit>>,
    started: Instant,
}

impl Driver {
    /// Opens the journal in `store`, or starts a new one.
    pub(crate) fn new(
        config: Config,
        store: Arc<RocksStore>,
        commands: mpsc::Receiver<Command>,
        mut networks: watch::Receiver<Arc<Network>>,
        outlets: Outlets,
        started: Instant,
    ) -> Result<(Self, Seen), DriverError> {
        let aggregator = Aggregator::open(config, &*store, now(started))?;
        // The first value of a channel counts as seen, and would not reach the core.
        networks.mark_changed();
        let (tip, tip_seen) = watch::channel(None);
        let (statement, statement_seen) = watch::channel(None);
        let (own_head, own_head_seen) = watch::channel(last_head(&store).map_err(Fatal::from)?);
        let (plans, plans_seen) = watch::channel(Arc::default());
        let times = SigningTimes::default();
        let (view, view_seen) = watch::channel(Arc::new(StatusAt::new(Status::default())));
        let seen = Seen {
            tip: tip_seen,
            statement: statement_seen,
            own_head: own_head_seen,
            times: times.clone(),
            plans: plans_seen,
            view: view_seen,
        };
        let driver = Self {
            core: driver::Driver::new(aggregator),
            store,
            commands,
            networks,
            plans,
            statement,
            own_head,
            times,
            tip,
            view,
            outlets,
            memory: BTreeMap::new(),
            started,
        };
        Ok((driver, seen))
    }

    /// Runs until [`Command::Stop`], or until all senders of commands are dropped.
    pub(crate) fn run(mut self) -> Result<(), DriverError> {
        let mut batch = Vec::with_capacity(ROUND_MAX);
        loop {
            if self.commands.blocking_recv_many(&mut batch, ROUND_MAX) == 0 {
                return Ok(());
            }
            // The clock sends ticks, so damage is found even when no other command arrives.
            if let Some(damage) = self.store.damage() {
                return Err(DriverError::Damage(damage.to_owned()));
            }
            // The sender may be dropped when the process ends. The last ring stays in force.
            let is_new = self.networks.has_changed().unwrap_or(false);
            let network = is_new.then(|| Arc::clone(&self.networks.borrow_and_update()));
            let network = network
                .into_iter()
                .map(|it| Command::Input(Input::Network(it)));
            let mut commands = network.chain(batch.drain(..)).peekable();
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

    /// Runs one round: takes commands until the round is full, then performs its steps. Returns whether one of the
    /// commands was [`Command::Stop`].
    fn round(
        &mut self,
        commands: &mut Peekable<impl Iterator<Item = Command>>,
    ) -> Result<bool, DriverError> {
        let mut is_last = false;
        let now = Now {
            wall_ms: self.times.begin(),
            ..now(self.started)
        };
        let mut round = self.core.begin(now, &*self.store)?;
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
                    let position = Position {
                        taken: round.taken(&source),
                        mode: round.mode(&source),
                    };
                    // The follower may have stopped.
                    let _ = answer.send(position);
                }
                Command::Stop => is_last = true,
            }
        }
        for step in round.end()? {
            self.perform(step)?;
        }
        self.times.end();
        Ok(is_last)
    }

    fn perform(&mut self, step: Step) -> Result<(), DriverError> {
        match step {
            Step::Commit(writes) => self.commit(writes)?,
            Step::Publish(tip) => {
                self.tip
                    .send_if_modified(|shown| shown.replace(tip) != Some(tip));
            }
            Step::State(statement) => {
                self.statement.send_replace(Some(statement));
            }
            Step::Fetch(fetch) => {
                // A full queue is not an error: the core fetches again later.
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
        let head = writes.iter().rev().find_map(|write| match write {
            Write::Block(stored) => Some(signed(&stored.block.header)),
            _ => None,
        });
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
        if let Some(head) = head {
            self.own_head.send_replace(Some(head));
        }
        self.core.committed();
        Ok(())
    }

    fn show(&self) {
        let view = self.core.view(now(self.started));
        if let Some(plan) = self.core.plan() {
            self.plans.send_if_modified(|last| {
                let is_new = **last != *plan;
                if is_new {
                    *last = Arc::new(plan.clone());
                }
                is_new
            });
        }
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
                tracing::info!(?source, incarnation, "a source starts an incarnation");
            }
            Event::Gap {
                source,
                incarnation,
                from_height,
            } => {
                tracing::warn!(?source, incarnation, from_height, "a source lost blocks");
            }
            Event::Behind { source } => {
                tracing::warn!(?source, "reading a source again from our position");
                self.outlets.readers.of(*source).is_behind.notify_one();
            }
            Event::Mode { source, mode } => {
                let mode = mode.as_str();
                tracing::info!(?source, mode, "reading a source in another mode");
                self.outlets.readers.of(*source).is_switched.notify_one();
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
                tracing::warn!(?source, why, "waiting for a source");
            }
            Event::Lied { source, why } => {
                tracing::warn!(?source, why, "a source sent data that does not verify");
                self.outlets.readers.of(*source).lies.notify_one();
            }
            Event::Convicted { shown, rule } => {
                self.outlets.metrics.journal.convicted(shown, rule);
            }
            Event::WithoutRecords {
                transaction,
                records,
            } => {
                tracing::warn!(%transaction, records, "a source sent an item without records");
            }
            Event::Unfit { record } => {
                tracing::warn!(%record, "a journal lists a record that does not fit its element");
            }
        }
    }
}

/// The last block on disk as its header was signed.
fn last_head(store: &RocksStore) -> Result<Option<Arc<SignedHead>>, StoreError> {
    let Some(head) = store.head()? else {
        return Ok(None);
    };
    let last = store.block(head.incarnation, head.height)?;
    Ok(last.map(|stored| signed(&stored.block.header)))
}

fn signed(header: &Header) -> Arc<SignedHead> {
    Arc::new(SignedHead::Header(Box::new(header.clone())))
}

/// Reads the two clocks. `started` is the moment from which the monotonic one counts.
pub(crate) fn now(started: Instant) -> Now {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        monotonic_ms: millis(started.elapsed()),
        wall_ms: clock::unix_ms(),
    }
}
