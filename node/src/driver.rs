//! The driver: one thread that owns the core and the store's writes, and keeps the core's contract.
//!
//! In each round it passes the queued commands to the core, and then performs the steps: forwards, one synced commit,
//! events, sends, replies. During the commit, commands queue for the next round. So blocks are large under load and
//! small when the peer is idle.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kittengrad_journal::{StateError, StoreError, Tip, Write};
use kittengrad_node_core::{
    Event, Fatal, Input, Now, Outbound, Peer, Refusal, Reply, RequestId, Status, Submitted,
    driver::{self, Step},
};
use kittengrad_overlay::quorum::Ack;
use kittengrad_proto::{certificate::Chain, checkpoint::Statement, submission::Submission};
use kittengrad_service::{journal::SigningTimes, views::Views};
use kittengrad_store::RocksStore;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{link::Lanes, metrics::PeerMetrics};

/// Commands that wait for the driver, at most.
pub(crate) const COMMANDS_MAX: usize = 8_192;
/// Commands of one round, at most.
const ROUND_MAX: usize = 4_096;

/// The driver stopped, and the process with it. A restart recovers, unless the store is damaged.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The core cannot continue.
    #[error(transparent)]
    Core(#[from] Fatal),
    /// A commit failed. No transaction in it was acknowledged.
    #[error("commit: {0}")]
    Commit(StoreError),
    /// A read for a client or a partner found damage.
    #[error("a read found the store damaged: {0}")]
    Damage(String),
}

impl DriverError {
    /// Whether the data on disk is damaged, so that a restart alone does not help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damage(_)
                | Self::Commit(StoreError::Damaged(_))
                | Self::Core(Fatal::Store(StoreError::Damaged(_)))
                | Self::Core(Fatal::State(
                    StateError::Store(StoreError::Damaged(_)) | StateError::Form { .. }
                ))
        )
    }
}

/// A command to the driver.
#[expect(
    clippy::large_enum_variant,
    reason = "under load most commands are the larger ones"
)]
pub(crate) enum Command {
    /// A command that goes to the core unchanged.
    Core(driver::Command<Lanes>),
    /// A client's transaction.
    Submit {
        submission: Submission,
        chain: Arc<Chain>,
        ack: Ack,
        receipt: bool,
        answer: oneshot::Sender<Result<Submitted, Refusal>>,
    },
    /// The command to stop, after all commands queued before it.
    Stop,
}

impl Command {
    /// Makes the command of an input without a connection.
    pub(crate) const fn input(input: Input) -> Self {
        Self::Core(driver::Command::Input(input))
    }
}

impl From<driver::Command<Lanes>> for Command {
    fn from(command: driver::Command<Lanes>) -> Self {
        Self::Core(command)
    }
}

/// The senders of committed state.
struct Senders {
    tip: watch::Sender<Option<Tip>>,
    statement: watch::Sender<Option<Arc<Statement>>>,
    status: watch::Sender<Status>,
}

/// The receivers of committed state: the tip and the status of the peer.
pub(crate) struct Seen {
    pub(crate) tip: watch::Receiver<Option<Tip>>,
    /// Published after the tip that it describes.
    pub(crate) statement: watch::Receiver<Option<Arc<Statement>>>,
    /// Dates the heartbeats that other threads sign.
    pub(crate) times: SigningTimes,
    pub(crate) status: watch::Receiver<Status>,
}

/// The core with its store, queue and clients' answers.
pub(crate) struct Driver {
    core: driver::Driver<Lanes>,
    store: Arc<RocksStore>,
    commands: mpsc::Receiver<Command>,
    views: Views,
    answers: HashMap<RequestId, oneshot::Sender<Result<Submitted, Refusal>>>,
    next_request: RequestId,
    shown: Senders,
    metrics: PeerMetrics,
    times: SigningTimes,
    started: Instant,
}

impl Driver {
    pub(crate) fn new(
        config: kittengrad_node_core::PeerConfig,
        views: Views,
        store: Arc<RocksStore>,
        commands: mpsc::Receiver<Command>,
        metrics: PeerMetrics,
    ) -> Result<(Self, Seen), DriverError> {
        let started = Instant::now();
        let peer = Peer::new(config, &*store, now(started))?;
        let (tip, tip_seen) = watch::channel(None);
        let (statement, statement_seen) = watch::channel(None);
        let (status, status_seen) = watch::channel(peer.status());
        let times = SigningTimes::default();
        let seen = Seen {
            tip: tip_seen,
            statement: statement_seen,
            times: times.clone(),
            status: status_seen,
        };
        let driver = Self {
            core: driver::Driver::new(peer),
            store,
            commands,
            views,
            answers: HashMap::new(),
            next_request: 0,
            shown: Senders {
                tip,
                statement,
                status,
            },
            metrics,
            times,
            started,
        };
        Ok((driver, seen))
    }

    /// Runs until [`Command::Stop`], or until all senders of commands are dropped.
    pub(crate) fn run(mut self) -> Result<(), DriverError> {
        let mut batch = Vec::with_capacity(ROUND_MAX);
        loop {
            // A link closed for lack of room makes a round due, even without a command.
            if !self.core.is_due() && self.commands.blocking_recv_many(&mut batch, ROUND_MAX) == 0 {
                return Ok(());
            }
            let is_last = self.round(&mut batch)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Runs one round. Returns whether it was the last one. Each tick makes a round, so damage is noticed soon.
    fn round(&mut self, batch: &mut Vec<Command>) -> Result<bool, DriverError> {
        if let Some(damage) = self.store.damage()
            && self.core.status().is_spared()
        {
            return Err(DriverError::Damage(damage.to_owned()));
        }
        let mut is_last = false;
        let now = Now {
            wall_ms: self.times.begin(),
            ..now(self.started)
        };
        let mut round = self.core.begin(now, &*self.store)?;
        if let Some(view) = self.views.newer() {
            round.take(driver::Command::Input(Input::View(view)))?;
        }
        for command in batch.drain(..) {
            match command {
                Command::Core(command) => {
                    round.take(command)?;
                }
                Command::Submit {
                    submission,
                    chain,
                    ack,
                    receipt,
                    answer,
                } => {
                    let request = self.next_request;
                    self.next_request += 1;
                    self.answers.insert(request, answer);
                    let submit = Input::Submit {
                        request,
                        submission,
                        chain,
                        ack,
                        receipt,
                    };
                    round.take(driver::Command::Input(submit))?;
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
            Step::Forward(message) | Step::Send(message) => self.send(message),
            Step::Commit(writes) => {
                self.commit(writes)?;
                // A question that comes after an answer must get the head with the write.
                self.show();
            }
            Step::Tell(event) => self.log(&event),
            Step::Reply(Reply { request, outcome }) => {
                if let Some(answer) = self.answers.remove(&request) {
                    // The caller may have cancelled.
                    let _ = answer.send(outcome);
                }
            }
        }
        Ok(())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), DriverError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.metrics.journal.commit(&writes);
        let start = Instant::now();
        self.store.commit(writes).map_err(DriverError::Commit)?;
        self.metrics.journal.commit.committed(start.elapsed());
        Ok(())
    }

    /// Queues a message on its link. A link without room is too slow and is closed; its partner catches up later.
    fn send(&mut self, Outbound { to, message }: Outbound) {
        let Some(link) = self.core.link(&to) else {
            return;
        };
        if link.to.send(message).is_err() {
            self.metrics.link_overflowed();
            self.core.fell(to);
        }
    }

    fn show(&self) {
        let status = self.core.status();
        self.metrics.status(&status);
        self.shown.tip.send_if_modified(|tip| {
            let is_new = *tip != status.tip;
            *tip = status.tip;
            is_new
        });
        self.shown.statement.send_if_modified(|statement| {
            let is_new = *statement != status.statement;
            statement.clone_from(&status.statement);
            is_new
        });
        self.shown.status.send_if_modified(|shown| {
            let is_new = *shown != status;
            *shown = status;
            is_new
        });
    }

    fn log(&self, event: &Event) {
        self.metrics.event(event);
        match event {
            Event::Opened {
                incarnation,
                began_after: None,
            } => {
                tracing::info!(incarnation, "journal resumed");
            }
            Event::Opened {
                incarnation,
                began_after: Some(None),
            } => {
                tracing::info!(incarnation, "first incarnation begins");
            }
            Event::Opened {
                incarnation,
                began_after: Some(Some(seen)),
            } => {
                tracing::warn!(
                    incarnation,
                    ?seen,
                    "partners saw blocks that the disk lost: a new incarnation begins"
                );
            }
            Event::Settled => tracing::info!("settled: this peer has everything its arc ever had"),
            Event::Misbehaved { peer, what } => {
                tracing::warn!(?peer, %what, "partner broke a rule")
            }
            Event::Convicted { shown, rule } => self.metrics.journal.convicted(shown, rule),
            Event::Unavailable(id) => tracing::warn!(transaction = %id, "no partner can send it"),
            Event::Invalid { peer, id, why } => {
                tracing::warn!(?peer, transaction = %id, why, "partner journalled an invalid transaction");
            }
        }
    }
}

fn now(started: Instant) -> Now {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Now {
        monotonic_ms: millis(started.elapsed()),
        wall_ms: millis(wall),
    }
}
